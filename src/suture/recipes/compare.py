"""``compare``: how alike the layers of two networks are on the same images."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from suture.data.dataset import DataSet, Split
from suture.graph import Network
from suture.hybrids import Hybrid, Parent, parent
from suture.measures import Comparison, Similarity, find, look
from suture.recipes.context import Context
from suture.recipes.verb import Outcome, Verb
from suture.reporting import heatmap
from suture.runs import RunFolder, Watch, replacing
from suture.spec.at import Pair
from suture.spec.recipe import CompareStep
from suture.spec.record import Number

BATCH, PROBE = 256, 3
LAYERS = "positions flattened"


@dataclass(frozen=True)
class Compare(Verb):
    step: CompareStep
    context: Context
    data: DataSet
    split: Split
    comparison: Comparison

    @classmethod
    def prepare(cls, step: CompareStep, context: Context) -> "Compare":
        a, b = (context.network(source) for source in (step.a, step.b))
        data = context.data(a, b)
        if step.split == "val":
            data = data.with_validation(context.seed)
        split = data.split(step.split).first(step.first)
        asked = comparison(parent(a), parent(b), split, step.measure, step.pairs, context.watch)
        return cls(step, context, data, split, asked)

    def run(self, folder: RunFolder | None = None) -> Outcome:
        """Without a folder nothing is written."""
        asked = self.comparison
        found = asked.run(lambda: images_of(self.split), self.context.device)
        result: dict[str, Any] = {
            "a": asked.a.origin,
            "b": asked.b.origin,
            "data": self.data.name,
            "split": self.step.split,
            "n": asked.n,
            "layers": LAYERS,
            "measures": {similarity.measure: told(similarity) for similarity in found},
            "pairs": [{"a": x, "b": y} | {each.measure: each.value(x, y) for each in found} for x, y in asked.pairs],
        }
        if folder is not None:
            _write(folder, result, found)
        numbers = tuple(number for similarity in found for number in _numbers(similarity))
        return Outcome(result, self.context.record("compare", numbers, asked.n, self.step.split, self.data))


def comparison(
    a: Parent, b: Parent, split: Split, measures: Sequence[str], pairs: Sequence[Pair] = (), watch: Watch | None = None
) -> Comparison:
    """What is to be compared on every image of a split, checked. Raises CutError, MeasureError."""
    watch = watch or Watch()
    pairs = tuple(pairs) or stitched(a, b, watch)
    shown, _ = next(split.batches(PROBE))
    left, right = (
        look(side.traced, side.origin, [pair[k] for pair in pairs] or [cut.name for cut in side.cuts], shown)
        for k, side in enumerate((a, b))
    )
    kinds = tuple(find(name) for name in dict.fromkeys(measures))
    asked = Comparison(left, right, kinds, len(split), pairs, watch)
    asked.check()
    return asked


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


def images_of(split: Split) -> Iterator[Tensor]:
    return (images for images, _ in split.batches(BATCH))


def told(similarity: Similarity) -> dict[str, Any]:
    """What a result says of one measure."""
    plain = asdict(similarity)
    return {name: plain[name] for name in ("layers_a", "layers_b", "values", "higher_is_more_similar")}


def _numbers(similarity: Similarity) -> Iterator[Number]:
    higher = similarity.higher_is_more_similar
    for x, row in zip(similarity.layers_a, similarity.values, strict=True):
        for y, value in zip(similarity.layers_b, row, strict=True):
            if value is not None:
                name = f"{similarity.measure} {x}:{y}"
                yield Number(name, value, "similarity" if higher else "distance", higher_is_better=higher)


def _write(folder: RunFolder, result: dict[str, Any], found: tuple[Similarity, ...]) -> None:
    """A heatmap of each measure, and values.npz: a matrix of each, with nan for what was not compared."""
    for each in found:
        heatmap(
            each.values,
            each.layers_a,
            each.layers_b,
            folder.plots / f"{each.measure}.png",
            title=f"{each.measure} on {each.n} {result['split']} images of {result['data']}",
            row_title=result["a"],
            column_title=result["b"],
            label=each.measure,
            percent=False,
            higher_is_better=each.higher_is_more_similar,
        )
    _save(folder.path / "values.npz", found)


def _save(path: Path, found: tuple[Similarity, ...]) -> None:
    arrays: dict[str, Any] = {each.measure: np.array(each.values, dtype=float) for each in found}
    arrays |= {"layers_a": np.array(found[0].layers_a), "layers_b": np.array(found[0].layers_b)}
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)
