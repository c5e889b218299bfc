"""``stitch``: two networks joined at one place, or more in a row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from suture.adapters import AdapterSpec, build
from suture.data.dataset import Split
from suture.errors import PlanError
from suture.evaluation import Scores, evaluate
from suture.hybrids import Hybrid, Seam, find_seams, fit_adapters, join, save
from suture.recipes.context import Context
from suture.recipes.parents import Parents, head_wanted, load_parents
from suture.recipes.tail import Progress, check_learns, train_hybrid
from suture.recipes.verb import STATE, Outcome, Verb
from suture.reporting import curves
from suture.runs import RunFolder
from suture.spec.at import read_at, spelled
from suture.spec.recipe import Joined, StitchStep
from suture.spec.record import scores


@dataclass(frozen=True)
class Stitch(Verb):
    step: StitchStep
    context: Context
    parents: Parents
    seams: tuple[Seam, ...]
    new_head: int | None

    @classmethod
    def prepare(cls, step: StitchStep, context: Context) -> "Stitch":
        parents = load_parents(step, context)
        seams = find_seams(parents.sides, read_at(step.at) if step.at else None)
        data = parents.data
        if step.stage.epochs or step.split == "val":
            data = data.with_validation(context.seed)
        data.split(step.split)
        wanted = head_wanted(parents, step.new_head, context)
        if wanted is not None:
            _check_head(step)
        adapters = [build(adapter_spec(step), *seam, seed=context.seed) for seam in seams]
        check_learns(join(parents.sides, seams, adapters, classes=wanted), step.stage)
        return cls(step, context, replace(parents, data=data), seams, wanted)

    def run(self, folder: RunFolder) -> Outcome:
        step, context, parents = self.step, self.context, self.parents
        data = parents.data
        hybrid, residuals = fitted(step, parents, self.seams, context, self.new_head, data.train.first(step.fit_images))
        split = data.split(step.split)
        before = evaluate(hybrid, split, device=context.device)
        if step.stage.epochs:
            label = f"training the {' and '.join(step.stage.moves)} at {spelled(hybrid.plan.at)}"
            with context.watch.task(label, step.stage.epochs) as advance:
                effort = train_hybrid(hybrid, step.stage, data, context, Progress(folder, advance, STATE, {}))
            curves({"stitch": effort.history}, folder.plots / "curves.png")
        after = evaluate(hybrid, split, device=context.device)
        hybrid.cpu()
        hybrid.classes = data.classes
        save(hybrid, folder.path, tuple(step.networks.values()), seed=context.seed)
        sides = parents.scored(step.split, context.device)
        *_, last = sides.values()
        result = {
            "run": folder.path.name,
            "plan": hybrid.plan.as_dict() | {"key": hybrid.plan.key},
            "accuracy": {"before": before.accuracy, "after": after.accuracy},
            "cross_entropy": {"before": before.cross_entropy, "after": after.cross_entropy},
            "relative_accuracy": after.accuracy / last.accuracy if last and last.accuracy else None,
            "agreement": {name: after.agreement(side) if side else None for name, side in sides.items()},
            "parents": {name: told(parent.origin, sides[name]) for name, parent in parents.named.items()},
            "fit_residual": residuals[0] if len(residuals) == 1 else residuals,
            "new_head": self.new_head,
            "views": step.stage.views,
            "n": after.n,
            "split": step.split,
        }
        numbers = scores(after.accuracy, after.cross_entropy)
        return Outcome(result, context.record("stitch", numbers, after.n, step.split, data, hybrid.plan.key))


def _check_head(step: StitchStep) -> None:
    if not step.stage.epochs or not {"head", "decoder", "all"} & set(step.stage.moves):
        raise PlanError(
            "the hybrid needs a new head, and nothing would train it",
            expected="at least one epoch, and a head that may learn",
            instead="--epochs 5 --train adapter,head",
        )


def adapter_spec(step: Joined) -> AdapterSpec:
    return AdapterSpec(step.adapter, step.resample, step.init, step.ridge, step.rank)


def told(origin: str, found: Scores | None) -> dict[str, Any]:
    """What a result says of a parent; nothing is known of one with other classes."""
    known = found.numbers() if found else {"accuracy": None, "cross_entropy": None}
    return {"source": origin, **known}


def fitted(
    step: Joined, parents: Parents, seams: Sequence[Seam], context: Context, classes: int | None, split: Split
) -> tuple[Hybrid, list[float | None]]:
    """The untrained hybrid at ``seams`` with its adapters started as the step says, and 1 − R² of each fit."""
    adapters = [build(adapter_spec(step), *seam, seed=context.seed) for seam in seams]
    reports = fit_adapters(adapters, parents.sides, seams, lambda: images_of(split), context.device)
    hybrid = join(parents.sides, seams, adapters, classes=classes, seed=context.seed)
    return hybrid, [report.residual if report else None for report in reports]


def images_of(split: Split) -> Iterator[Tensor]:
    return (images for images, _ in split.batches(256))
