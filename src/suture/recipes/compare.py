"""``compare``: how alike the layers of two networks are on the same images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from suture.data.dataset import DataSet, Split
from suture.data.holdout import order_is_random
from suture.errors import DataError, MeasureError, nearest
from suture.graph import Network
from suture.hybrids import Hybrid, Parent, parent
from suture.measures import Comparison, Similarity, compare_pairs, find, look
from suture.recipes.context import Context
from suture.recipes.globs import matched
from suture.recipes.matrix import SimilarityMatrix
from suture.recipes.text import resolved
from suture.recipes.verb import Outcome, Verb
from suture.reporting.similarity_page import similarity_page
from suture.runs import RunFolder, Watch, replacing, write_text
from suture.spec.at import Pair
from suture.spec.compare import MOST_PERMUTATIONS, SAMPLES, CompareStep, SpatialHandling
from suture.spec.layers import LayerChoice
from suture.spec.record import Number

PROBE = 3
TOLD = tuple(one.name for one in fields(Similarity) if one.name not in ("measure", "origin_a", "origin_b"))


@dataclass(frozen=True)
class Compare(Verb):
    step: CompareStep
    context: Context
    data: DataSet
    split: Split
    comparison: Comparison

    @classmethod
    def prepare(cls, step: CompareStep, context: Context) -> "Compare":
        a = context.network(step.a)
        b = a if step.b == step.a else context.network(step.b)
        data = context.data(a, b)
        if step.split == "val":
            data = data.with_validation(context.seed)
        left = parent(a)
        split, asked = comparison(
            left,
            left if b is a else parent(b),
            data.split(step.split),
            step.measure,
            step.choice,
            samples=step.samples,
            spatial=step.spatial,
            permutations=step.permutations,
            seed=context.seed,
            watch=context.watch,
        )
        return cls(step, context, data, split, asked)

    def run(self, folder: RunFolder | None = None) -> Outcome:
        """Without a folder nothing is written."""
        asked = self.comparison
        found = compare_pairs(asked, lambda size: images_of(self.split, size), self.context.device)
        result: dict[str, Any] = {
            "a": asked.a.origin,
            "b": asked.b.origin,
            "data": self.data.name,
            "split": self.step.split,
            "images": asked.images,
            "drawn": drawn(self.data.split(self.step.split), self.step.samples),
            "points": asked.points,
            "n": asked.n,
            "samples": self.step.samples,
            "spatial": self.step.spatial,
            "seed": self.context.seed,
            "measures": {similarity.measure: told(similarity) for similarity in found},
            "pairs": [_pair(found, x, y) for x, y in asked.pairs],
        }
        if folder is not None:
            self._write(folder, result, found)
        numbers = tuple(number for similarity in found for number in _numbers(similarity))
        return Outcome(result, self.context.record("compare", numbers, asked.n, self.step.split, self.data))

    def _write(self, folder: RunFolder, result: dict[str, Any], found: tuple[Similarity, ...]) -> None:
        """A heatmap of each measure, values.npz with all that was found, and a page."""
        for each in found:
            SimilarityMatrix.of(each).plot(folder.plots / f"{each.measure}.png")
        _save(folder.path / "values.npz", found)
        text = resolved(self.context.recipe.model_copy(update={"steps": (self.step,)}).as_data())
        write_text(folder.path / "report.html", similarity_page(result, text, folder.plots))


def comparison(
    a: Parent,
    b: Parent,
    split: Split,
    measures: Sequence[str],
    choice: LayerChoice,
    *,
    samples: int = SAMPLES,
    spatial: SpatialHandling = "flatten",
    permutations: int = 0,
    seed: int = 0,
    watch: Watch | None = None,
) -> tuple[Split, Comparison]:
    """The images of a split that are looked at, and what is compared on them, checked.

    Raises CutError, MeasureError, and DataError for what no recipe can say.
    """
    _check(measures, samples, spatial, permutations)
    watch = watch or Watch()
    split = some_of(split, samples, seed)
    pairs = choice.pairs or (() if choice.of_a else stitched(a, b, watch))
    shown, _ = next(split.batches(PROBE))
    left, right = (
        look(side.traced, side.origin, [pair[k] for pair in pairs] or _names(side, patterns), shown)
        for k, (side, patterns) in enumerate(((a, choice.of_a), (b, choice.of_b)))
    )
    asked = Comparison(
        a=left,
        b=right,
        measures=tuple(find(name) for name in dict.fromkeys(measures)),
        images=len(split),
        spatial=spatial,
        points=max(1, samples // len(split)) if spatial == "positions" else 1,
        pairs=pairs,
        permutations=permutations,
        seed=seed,
        watch=watch,
    )
    asked.check()
    return split, asked


def _check(measures: Sequence[str], samples: int, spatial: str, permutations: int) -> None:
    if not measures:
        raise MeasureError("no measure was named", expected="one or more", instead='measure="cka"')
    if samples < 1:
        raise DataError(f"samples={samples}", expected="one image or more", instead=f"samples={SAMPLES}")
    if spatial not in (known := get_args(SpatialHandling)):
        raise MeasureError(
            f"there is no spatial handling {spatial!r}",
            expected=f"one of {', '.join(known)}",
            instead=f'spatial="{nearest(str(spatial), known, 1)[0]}"',
        )
    if not 0 <= permutations <= MOST_PERMUTATIONS:
        raise MeasureError(
            f"null={permutations} permutations",
            expected=f"0, for no p-values, to {MOST_PERMUTATIONS:,}",
            instead="null=200",
        )


def _names(side: Parent, patterns: Sequence[str]) -> list[str]:
    return matched(side, patterns) if patterns else [cut.name for cut in side.cuts]


def stitched(a: Parent, b: Parent, watch: Watch) -> tuple[Pair, ...]:
    """What the last adapter of a hybrid ``a`` gives, and the cut of ``b`` whose place it takes.

    None of any other network, or where the hybrid does not end with a part of ``b``, which is said.
    """
    hybrid = a.network.body if isinstance(a.network, Network) else a.network
    if not isinstance(hybrid, Hybrid):
        return ()
    last = hybrid.plan.parts[-1]
    if last.digest != b.digest:
        watch.say(f"{a.origin} ends with a part of {last.origin}, not of {b.origin}: every block cut is compared")
        return ()
    return ((hybrid.parts[-2], last.cut),)


def some_of(split: Split, count: int, seed: int) -> Split:
    """``count`` images in file order: the first where that order is random, else drawn by the seed."""
    if not drawn(split, count):
        return split.first(count)
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    return split.select(sorted(order[:count].tolist()))


def drawn(split: Split, count: int) -> bool:
    """Whether so many images are drawn."""
    return count < len(split) and not order_is_random(split.labels)


def images_of(split: Split, size: int) -> Iterator[Tensor]:
    return (images for images, _ in split.batches(size))


def told(similarity: Similarity) -> dict[str, Any]:
    """What a result says of one measure."""
    return {name: getattr(similarity, name) for name in TOLD} | {
        "invariances": find(similarity.measure).invariances,
    }


def _pair(found: Sequence[Similarity], x: str, y: str) -> dict[str, Any]:
    """What each measure says of one pair, its p-value behind it where permutations gave one."""
    told: dict[str, Any] = {"a": x, "b": y}
    for each in found:
        told[each.measure] = each.value(x, y)
        if each.p_values is not None:
            told[f"{each.measure}__p"] = each.p_values[each.layers_a.index(x)][each.layers_b.index(y)]
    return told


def _numbers(similarity: Similarity) -> Iterator[Number]:
    higher = similarity.higher_is_more_similar
    for x, row in zip(similarity.layers_a, similarity.values, strict=True):
        for y, value in zip(similarity.layers_b, row, strict=True):
            if value is not None:
                name = f"{similarity.measure} {x}:{y}"
                yield Number(name, value, "similarity" if higher else "distance", higher_is_better=higher)


def _save(path: Path, found: tuple[Similarity, ...]) -> None:
    """A matrix of each measure, of its p-values as MEASURE__p, with nan for what has none, and the names of layers."""
    arrays: dict[str, Any] = {each.measure: np.array(each.values, dtype=float) for each in found}
    arrays |= {f"{e.measure}__p": np.array(e.p_values, dtype=float) for e in found if e.p_values is not None}
    arrays |= {"layers_a": np.array(found[0].layers_a), "layers_b": np.array(found[0].layers_b)}
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)
