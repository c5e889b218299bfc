"""``stitch``: two networks joined at one place."""

from dataclasses import dataclass, replace
from typing import Any

from suture.adapters import AdapterSpec, build
from suture.data.dataset import Split
from suture.errors import PlanError
from suture.evaluation import Scores, evaluate
from suture.hybrids import Hybrid, fit_adapter, join, save
from suture.recipes.context import Context
from suture.recipes.parents import Parents, head_wanted, load_parents
from suture.recipes.tail import Progress, check_learns, train_hybrid
from suture.recipes.verb import STATE, Outcome, Verb
from suture.reporting import curves
from suture.runs import RunFolder
from suture.spec.cut import Cut
from suture.spec.recipe import Joined, StitchStep
from suture.spec.record import scores


@dataclass(frozen=True)
class Stitch(Verb):
    step: StitchStep
    context: Context
    parents: Parents
    cuts: tuple[Cut, Cut]
    new_head: int | None

    @classmethod
    def prepare(cls, step: StitchStep, context: Context) -> "Stitch":
        parents = load_parents(step, context)
        x, y = step.at.split(":") if step.at else (None, None)
        a, b = parents.a, parents.b
        cuts = (a.traced.find(x) if x else a.middle(), b.traced.find(y) if y else b.middle())
        data = parents.data
        if step.stage.epochs or step.split == "val":
            data = data.with_validation(context.seed)
        data.split(step.split)
        wanted = head_wanted(parents, step.new_head, context)
        if wanted is not None:
            _check_head(step)
        adapter = build(adapter_spec(step), *cuts, seed=context.seed)
        check_learns(join(a, b, cuts, adapter, classes=wanted), step.stage)
        return cls(step, context, replace(parents, data=data), cuts, wanted)

    def run(self, folder: RunFolder) -> Outcome:
        step, context, parents = self.step, self.context, self.parents
        data = parents.data
        hybrid, residual = fitted(step, parents, self.cuts, context, self.new_head, data.train.first(step.fit_images))
        split = data.split(step.split)
        before = evaluate(hybrid, split, device=context.device)
        if step.stage.epochs:
            label = f"training the {' and '.join(step.stage.moves)} at {self.cuts[0].name}:{self.cuts[1].name}"
            with context.watch.task(label, step.stage.epochs) as advance:
                effort = train_hybrid(hybrid, step.stage, data, context, Progress(folder, advance, STATE, {}))
            curves({"stitch": effort.history}, folder.plots / "curves.png")
        after = evaluate(hybrid, split, device=context.device)
        hybrid.cpu()
        hybrid.classes = data.classes
        save(hybrid, folder.path, (step.a, step.b), seed=context.seed)
        sides = parents.scored(step.split, context.device)
        result = {
            "run": folder.path.name,
            "plan": hybrid.plan.as_dict() | {"key": hybrid.plan.key},
            "accuracy": {"before": before.accuracy, "after": after.accuracy},
            "cross_entropy": {"before": before.cross_entropy, "after": after.cross_entropy},
            "relative_accuracy": after.accuracy / sides[1].accuracy if sides[1] and sides[1].accuracy else None,
            "agreement": {
                name: after.agreement(side) if side else None for name, side in zip("ab", sides, strict=True)
            },
            "parents": {
                name: told(parent.origin, side)
                for name, parent, side in zip("ab", (parents.a, parents.b), sides, strict=True)
            },
            "fit_residual": residual,
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
    return AdapterSpec(step.adapter, step.resample, step.init, step.ridge)


def told(origin: str, found: Scores | None) -> dict[str, Any]:
    """What a result says of a parent; nothing is known of one with other classes."""
    known = found.numbers() if found else {"accuracy": None, "cross_entropy": None}
    return {"source": origin, **known}


def fitted(
    step: Joined, parents: Parents, cuts: tuple[Cut, Cut], context: Context, classes: int | None, split: Split
) -> tuple[Hybrid, float | None]:
    """The untrained hybrid at ``cuts`` with its adapter started as the step says, and the fit's 1 − R²."""
    adapter = build(adapter_spec(step), *cuts, seed=context.seed)
    residual = None
    if adapter.wants_fit:
        batches = (images for images, _ in split.batches(256))
        residual = fit_adapter(adapter, parents.a, parents.b, cuts, batches, context.device).residual
    return join(parents.a, parents.b, cuts, adapter, classes=classes, seed=context.seed), residual
