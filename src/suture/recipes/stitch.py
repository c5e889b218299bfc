"""``stitch``: two networks joined at one place, or more in a row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from suture.adapters import AdapterSpec, build
from suture.data.dataset import Split
from suture.errors import AdapterError, PlanError
from suture.evaluation import Scores, evaluate, overlap
from suture.hybrids import Hybrid, Seam, find_seams, fit_adapters, join, load_map, save, save_map
from suture.recipes.closeness import closeness, receiver, warnings
from suture.recipes.context import Context
from suture.recipes.parents import Parents, head_wanted, load_parents
from suture.recipes.tail import Progress, check_learns, train_hybrid
from suture.recipes.teaching import check_objective
from suture.recipes.verb import STATE, Outcome, Verb
from suture.reporting.figures import curves
from suture.runs import RunFolder
from suture.spec.adapter import Start
from suture.spec.at import read_at, spelled
from suture.spec.recipe import Joined, StitchStep
from suture.spec.record import scores
from suture.training import Epoch


@dataclass(frozen=True)
class Stitch(Verb):
    step: StitchStep
    context: Context
    parents: Parents
    seams: tuple[Seam, ...]
    new_head: int | None

    @classmethod
    def prepare(cls, step: StitchStep, context: Context) -> "Stitch":
        return cls.of(step, context, load_parents(step, context))

    @classmethod
    def of(cls, step: StitchStep, context: Context, parents: Parents) -> "Stitch":
        """The stitch of parents that are loaded; raises as soon as something about it does not fit."""
        seams = find_seams(parents.sides, read_at(step.at) if step.at else None)
        data = parents.data
        if step.stage.epochs or step.split == "val":
            data = data.with_validation(context.seed)
        data.split(step.split)
        wanted = head_wanted(parents, step.new_head, context)
        if wanted is not None:
            _check_head(step)
        adapters = [build(step.spec, *seam, seed=context.seed) for seam in seams]
        hybrid = join(parents.sides, seams, adapters, classes=wanted)
        _check_runs(hybrid)
        check_learns(hybrid, step.stage, data)
        check_objective(hybrid, step.stage, parents, seams[-1])
        return cls(step, context, replace(parents, data=data), seams, wanted)

    def run(self, folder: RunFolder) -> Outcome:
        step, context, parents = self.step, self.context, self.parents
        data = parents.data
        fit_split, split = data.train.first(step.fit_images), data.split(step.split)
        hybrid, residuals = fitted(step, parents, self.seams, context, self.new_head, fit_split)
        yardstick = receiver(
            parents.sides[-1],
            self.seams[-1][1],
            data.train,
            context.device,
            further=not {"decoder", "head", "all"} & set(step.stage.moves) and self.new_head is None,
        )

        def look(which: str, same_as: Look | None = None) -> Look:
            save_map(hybrid, folder.path, which)
            if same_as:
                return same_as
            found = evaluate(hybrid, split, device=context.device)
            return Look(found, closeness(hybrid, yardstick, split, context.device))

        looks = {"before": look("before")}
        if step.spec == self._direct_spec and all(adapter.wants_fit for adapter in hybrid.adapters):
            looks["direct"] = look("direct", same_as=looks["before"])
        elif self._becomes_direct(hybrid, fit_split):
            looks["direct"] = look("direct")
            load_map(hybrid.cpu(), folder.path, "before")
        history: list[Epoch] = []
        kept = 0
        if step.stage.epochs:
            label = f"training the {' and '.join(step.stage.moves)} at {spelled(hybrid.plan.at)}"
            with context.watch.task(label, step.stage.epochs) as advance:
                progress = Progress(folder, advance, STATE, {}, folder.path)
                effort = train_hybrid(hybrid, step.stage, parents, self.seams[-1], data, context, progress)
            history, kept = effort.history, effort.kept
            curves({"stitch": history}, folder.plots / "curves.png")
        looks["after"] = look("after", same_as=None if history else looks["before"])
        hybrid.cpu()
        hybrid.classes = data.classes
        save(hybrid, folder.path, tuple(step.networks.values()), seed=parents.seed, head_seed=context.seed)
        sides = parents.scored(step.split, context.device)
        after = looks["after"].scores
        result = {
            "run": folder.path.name,
            "plan": hybrid.plan.as_dict() | {"key": hybrid.plan.key},
            **told_of_maps(looks),
            **told_of_parents(after, sides, split.labels),
            "parents": {name: told(parent.origin, sides[name]) for name, parent in parents.named.items()},
            "objective": step.stage.objective.model_dump(),
            "history": [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history],
            "kept": kept,
            "fit_residual": residuals[0] if len(residuals) == 1 else residuals,
            "new_head": self.new_head,
            "views": step.stage.views,
            "n": after.n,
            "split": step.split,
            "warnings": warnings(looks["after"].closeness, parents.sides[-1].origin),
        }
        numbers = scores(after.accuracy, after.cross_entropy)
        return Outcome(result, context.record("stitch", numbers, after.n, step.split, data, hybrid.plan.key))

    @property
    def _direct_spec(self) -> AdapterSpec:
        """Plain least squares, of the kind, rank and mask that the adapter has."""
        start: Start = "reduced-rank" if self.step.init == "reduced-rank" else "least-squares"
        return replace(self.step.spec, start=start, weighting="none")

    def _becomes_direct(self, hybrid: Hybrid, split: Split) -> bool:
        """Put the direct fits into the hybrid's adapters; False, and nothing changes, where there are none."""
        context = self.context
        try:
            adapters = [build(self._direct_spec, *seam, seed=context.seed) for seam in self.seams]
        except AdapterError:
            return False
        if not all(adapter.wants_fit for adapter in adapters):
            return False
        fit_adapters(adapters, self.parents.sides, self.seams, lambda: images_of(split), context.device)
        for mine, adapter in zip(hybrid.adapters, adapters, strict=True):
            mine.load_state_dict(adapter.state_dict())
        return True


@torch.no_grad()
def _check_runs(hybrid: Hybrid) -> None:
    """With ``resample`` none a decoder may get a grid that it cannot take."""
    source = hybrid.adapters[0].source
    try:
        hybrid.tail(torch.zeros(2, *source.shape))
    except RuntimeError as error:
        raise PlanError(
            f"what {source} gives does not fit what comes after the cut: {str(error).splitlines()[0]}",
            expected="a decoder that takes the grid as it is, where nothing is resampled",
            instead="--resample bilinear, or another cut",
        ) from error


def _check_head(step: StitchStep) -> None:
    if not step.stage.epochs or not {"head", "decoder", "all"} & set(step.stage.moves):
        raise PlanError(
            "the hybrid needs a new head, and nothing would train it",
            expected="at least one epoch, and a head that may learn",
            instead="--epochs 5 --train adapter,head",
        )


@dataclass(frozen=True)
class Look:
    """A hybrid with one of its maps: how right it is, and how close to what its last network is used to."""

    scores: Scores
    closeness: dict[str, Any]


def told_of_maps(looks: Mapping[str, Look]) -> dict[str, Any]:
    return {
        "accuracy": {which: look.scores.accuracy for which, look in looks.items()},
        "cross_entropy": {which: look.scores.cross_entropy for which, look in looks.items()},
        "similarity": {which: look.closeness for which, look in looks.items()},
    }


def told_of_parents(after: Scores, sides: Mapping[str, Scores | None], labels: Tensor) -> dict[str, Any]:
    """How the trained stitch stands to each parent that has the data's classes, and those to each other."""
    *_, last = sides.values()
    known = {"hybrid": after} | {name: side for name, side in sides.items() if side}
    return {
        "relative_accuracy": after.accuracy / last.accuracy if last and last.accuracy else None,
        "agreement": {name: after.agreement(side) if side else None for name, side in sides.items()},
        "overlap": {
            f"{one} and {other}": asdict(overlap(known[one], known[other], labels))
            for one, other in combinations(known, 2)
        },
    }


def told(origin: str, found: Scores | None) -> dict[str, Any]:
    """What a result says of a parent; nothing is known of one with other classes."""
    known = found.numbers() if found else {"accuracy": None, "cross_entropy": None}
    return {"source": origin, **known}


def fitted(
    step: Joined, parents: Parents, seams: Sequence[Seam], context: Context, classes: int | None, split: Split
) -> tuple[Hybrid, list[float | None]]:
    """The untrained hybrid at ``seams`` with its adapters started as the step says, and 1 − R² of each fit."""
    adapters = [build(step.spec, *seam, seed=context.seed) for seam in seams]
    reports = fit_adapters(adapters, parents.sides, seams, lambda: images_of(split), context.device)
    hybrid = join(parents.sides, seams, adapters, classes=classes, seed=context.seed)
    return hybrid, [report.residual if report else None for report in reports]


def images_of(split: Split) -> Iterator[Tensor]:
    return (images for images, _ in split.batches(256))
