"""``patch``: one backbone with changed layers, trained in stages, beside itself without the changes where asked."""

from dataclasses import dataclass, replace
from typing import Any

from suture.data.dataset import DataSet
from suture.errors import PlanError
from suture.evaluation import score
from suture.hybrids import Parent, build_patched, model_of, parent, save
from suture.recipes.context import Context
from suture.recipes.patch_repeats import compared, repeats
from suture.recipes.repeats import Repeat, repeated
from suture.recipes.staged import Trainee, moving, of_patched, some_images
from suture.recipes.text import resolved
from suture.recipes.train import outputs
from suture.recipes.trained import answered, check_stages, outcome, trained
from suture.recipes.verb import Outcome, Verb
from suture.reporting.patches import card
from suture.runs import RunFolder, write_text
from suture.spec.recipe import PatchStep
from suture.spec.record import scores
from suture.spec.source import parse_source


@dataclass(frozen=True)
class Patch(Verb):
    """``side`` is the network as it came, ``whole`` the data as they came, ``data`` with validation images."""

    step: PatchStep
    context: Context
    side: Parent
    whole: DataSet
    data: DataSet

    @classmethod
    def prepare(cls, step: PatchStep, context: Context) -> "Patch":
        network = context.network(step.model)
        data = context.data(network)
        has, wanted = outputs(network, data), len(data.classes)
        what = "attributes" if data.multilabel else "classes"
        if step.num_classes not in (None, wanted):
            raise PlanError(
                f"num_classes={step.num_classes}, and {data.name} has {wanted} {what}",
                expected=f"as many as there are {what}",
                instead=f"num_classes: {wanted}, or none",
            )
        if has != wanted or step.new_head:
            context.watch.say(f"{network.origin} gets a new head: {has} outputs become {wanted} {what}")
        found = cls.of(step, context, parent(network), data)
        for repeat in repeats(step, context.recipe):
            found._repeat(repeat)
        return found

    @classmethod
    def of(cls, step: PatchStep, context: Context, side: Parent, data: DataSet) -> "Patch":
        """A network that is loaded, to be patched. Raises as ``checked`` does."""
        found = cls(step, context, side, data, data.with_validation(context.seed))
        found.checked()
        return found

    def checked(self) -> Trainee:
        """What ``build`` gives; raises as soon as something about the step does not fit."""
        step = self.step
        if step.controls and not step.patches:
            raise PlanError(
                "controls are the network without its patches, and there are none",
                expected="something that is wrapped, injected or replaced",
                instead="--wrap LAYER=se, or no --controls",
            )
        if step.controls and all(set(stage.moves) == {"blocks"} for stage in step.stages):
            raise PlanError(
                "controls are trained like the patched network, and only its blocks are",
                expected="a stage that moves what the network has without its patches, too",
                instead='--stage "head,blocks", or no --controls',
            )
        trainee = self.build()
        check_stages(trainee, step, self.data)
        return trainee

    def build(self) -> Trainee:
        network = build_patched(
            self.side,
            self.step.all_patches,
            classes=len(self.data.classes),
            dropout=self.step.dropout,
            seed=self.context.seed,
            fresh=self.step.new_head,
        )
        return of_patched(network, some_images(self.data))

    def run(self, folder: RunFolder) -> Outcome:
        step, context, data = self.step, self.context, self.data
        trainee = self.build()
        model = model_of(trainee.model)
        learning = moving(model, step.stages[-1]).parameters()
        before = self._before(trainee)
        done = trained(trainee, step, data, context, folder)
        found = done.found
        save(trainee.model, folder.path, (step.model,), seed=context.seed)
        result: dict[str, Any] = {
            "run": folder.path.name,
            "network": self.side.origin,
            "patches": [change.as_dict() for change in model.changes],
            "plan": model.plan.as_dict() | {"key": model.plan.key},
            "parameters": {
                "total": model.count_parameters(),
                "added": sum(change.parameters for change in model.changes),
                "trainable": sum(parameter.numel() for parameter in learning),
            },
            **outcome(done, step, data, context, folder),
            "before": before,
        }
        trials = repeated(repeats(step, context.recipe), self._repeat, context, folder)
        result |= compared(step, context.seed, done.own, trials, folder.path)
        write_text(folder.path / "README.md", card(result, resolved(context.recipe.as_data())))
        record = context.record("patch", scores(found.accuracy, found.cross_entropy), found.n, done.split, data)
        return Outcome(result, replace(record, plan=model.plan.key))

    def _before(self, trainee: Trainee) -> dict[str, float] | None:
        """Scores of the patched network before its first step; None of one with a new head, which is random."""
        if model_of(trainee.model).plan.new_head is not None:
            return None
        answers = answered(trainee.model, self.step, self.data, self.context)
        val, found = (score(told.logits, told.labels) for told in (answers["val"], list(answers.values())[-1]))
        return {"accuracy": found.accuracy, "cross_entropy": found.cross_entropy, "val_accuracy": val.accuracy}

    def _repeat(self, repeat: Repeat) -> "Patch":
        """A network that is drawn at random is drawn anew by another seed."""
        context, model = repeat.context(self.context), self.step.model
        anew = context.seed != self.context.seed and parse_source(model).random
        return Patch.of(repeat.step, context, parent(context.network(model)) if anew else self.side, self.whole)


def planned(step: PatchStep, context: Context) -> dict[str, Any]:
    """What a step would change, without data and without any weights: a dry run. Raises as ``prepare`` does."""
    side = parent(context.network(step.model, blank=True))
    network = build_patched(side, step.all_patches, classes=step.num_classes, dropout=step.dropout, fresh=step.new_head)
    model = model_of(network)
    for stage in step.stages:
        moving(model, stage)
    return {
        "network": side.origin,
        "patches": [change.as_dict() for change in model.changes],
        "parameters": {
            "before": sum(parameter.numel() for parameter in side.network.parameters()),
            "added": sum(change.parameters for change in model.changes),
            "after": model.count_parameters(),
        },
    }
