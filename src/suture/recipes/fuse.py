"""``fuse``: backbones side by side under one head, trained in stages, beside each of them alone where asked."""

from dataclasses import dataclass, replace
from typing import Any

from suture.data.dataset import DataSet
from suture.data.splits import folds
from suture.hybrids import Fusion, Parent, build_fusion, parent, save
from suture.recipes.context import Context
from suture.recipes.fuse_repeats import FUSED, compared, repeats
from suture.recipes.repeats import Repeat, repeated
from suture.recipes.staged import of_fusion
from suture.recipes.text import resolved
from suture.recipes.train import outputs
from suture.recipes.trained import check_stages, outcome, trained
from suture.recipes.verb import Outcome, Verb
from suture.reporting.fusions import card
from suture.runs import RunFolder, write_text
from suture.spec.recipe import FuseStep
from suture.spec.record import scores
from suture.spec.source import parse_source


@dataclass(frozen=True)
class Fuse(Verb):
    """``parents`` by letter; ``whole`` is the data as they came, ``data`` with the validation images of the step."""

    step: FuseStep
    context: Context
    parents: dict[str, Parent]
    whole: DataSet
    data: DataSet

    @classmethod
    def prepare(cls, step: FuseStep, context: Context) -> "Fuse":
        networks = {letter: context.network(source) for letter, source in step.letters.items()}
        data = context.data(*networks.values())
        for network in networks.values():
            outputs(network, data)
        found = cls.of(step, context, {letter: parent(network) for letter, network in networks.items()}, data)
        for repeat in repeats(step, context.recipe):
            found._repeat(repeat)
        return found

    @classmethod
    def of(cls, step: FuseStep, context: Context, parents: dict[str, Parent], data: DataSet) -> "Fuse":
        """The fusion of backbones that are loaded; raises as soon as something about it does not fit."""
        found = cls(step, context, parents, data, _held_out(step, context, data))
        check_stages(of_fusion(found.build()), step, data)
        return found

    def build(self) -> Fusion:
        spec = self.step.fusion(len(self.data.classes))
        return build_fusion(list(self.parents.values()), self.step.at or None, spec, self.context.seed)

    def run(self, folder: RunFolder) -> Outcome:
        step, context, data = self.step, self.context, self.data
        fusion = self.build()
        head = sum(parameter.numel() for parameter in fusion.head.parameters())
        done = trained(of_fusion(fusion), step, data, context, folder)
        found = done.found
        save(fusion, folder.path, tuple(step.networks), seed=context.seed)
        result: dict[str, Any] = {
            "run": folder.path.name,
            "networks": {letter: side.origin for letter, side in self.parents.items()},
            "method": step.method,
            "plan": fusion.plan.as_dict() | {"key": fusion.plan.key},
            "parameters": {"total": sum(parameter.numel() for parameter in fusion.parameters()), "head": head},
            **outcome(done, step, data, context, folder),
        }
        trials = repeated(repeats(step, context.recipe), self._repeat, context, folder)
        result |= compared(step, context.seed, done.own, trials, folder.path)
        write_text(folder.path / "README.md", card(result, resolved(context.recipe.as_data())))
        record = context.record("fuse", scores(found.accuracy, found.cross_entropy), found.n, done.split, data)
        return Outcome(result, replace(record, plan=fusion.plan.key))

    def _repeat(self, repeat: Repeat) -> "Fuse":
        """Networks that are drawn at random are drawn anew by another seed."""
        context = repeat.context(self.context)
        letters = self.step.letters if repeat.what == FUSED else {repeat.what: self.step.letters[repeat.what]}
        drawn = {
            letter: parent(context.network(source))
            for letter, source in letters.items()
            if context.seed != self.context.seed and parse_source(source).random
        }
        chosen = {letter: drawn.get(letter, self.parents[letter]) for letter in letters}
        return Fuse.of(repeat.step, context, chosen, self.whole)


def _held_out(step: FuseStep, context: Context, data: DataSet) -> DataSet:
    """The data with validation images, as they bring them or as the seed draws; the step's fold is the test split.

    Validation images choose the epochs, so those of a fold must be others than the ones held out.
    """
    if step.fold is not None and step.folds is not None:
        kept, held = folds(data.train, step.folds, context.seed)[step.fold - 1]
        name = f"{data.name}, fold {step.fold} of {step.folds}"
        data = replace(data, name=name, train=data.train.select(kept), test=data.train.select(held))
    return data.with_validation(context.seed)
