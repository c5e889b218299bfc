"""``fuse``: backbones side by side under one head, trained in stages, beside each of them alone where asked."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from suture.data.dataset import DataSet, SplitName
from suture.data.splits import folds
from suture.errors import PlanError
from suture.evaluation import fit_temperature, predict, score
from suture.hybrids import Fusion, Parent, build_fusion, parent, save
from suture.recipes.answers import Answers, save_answers
from suture.recipes.context import Context
from suture.recipes.repeats import compared, repeats
from suture.recipes.reports import write_report
from suture.recipes.staged import moving, train_stages
from suture.recipes.text import resolved
from suture.recipes.train import check_labels, outputs, scored
from suture.recipes.verb import Outcome, Verb, finished
from suture.reporting import curves
from suture.reporting.fusions import card
from suture.runs import RunFolder, check_run, write_text
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
            found._repeat(repeat.letters, repeat.step, repeat.context(context))
        return found

    @classmethod
    def of(cls, step: FuseStep, context: Context, parents: dict[str, Parent], data: DataSet) -> "Fuse":
        """The fusion of backbones that are loaded; raises as soon as something about it does not fit."""
        if data.multilabel and step.controls:
            raise PlanError(
                "controls are compared by the images that each gets right, and these have several labels",
                expected="data with one class an image",
                instead="no --controls",
            )
        found = cls(step, context, parents, data, _held_out(step, context, data))
        fusion = found.build()
        for stage in step.stages:
            check_labels(stage, data)
            if stage.epochs and not moving(fusion, stage).parameters():
                raise PlanError(
                    f"nothing in the {' and '.join(stage.moves)} can learn",
                    expected="a part with parameters",
                    instead="moves: [all]",
                )
        return found

    def build(self) -> Fusion:
        spec = self.step.fusion(len(self.data.classes))
        return build_fusion(list(self.parents.values()), self.step.at or None, spec, self.context.seed)

    def run(self, folder: RunFolder) -> Outcome:
        step, context, data = self.step, self.context, self.data
        name: SplitName = "test" if data.test is not None else "val"
        fusion = self.build()
        head = sum(parameter.numel() for parameter in fusion.head.parameters())
        stretches = train_stages(fusion, step.stages, data, context, folder, step.eval_batch)
        splits: tuple[SplitName, ...] = ("val",) if name == "val" else ("val", name)
        answers: dict[str, Answers] = {which: self._answers(fusion, which) for which in splits}
        fusion.cpu()
        fusion.classes = data.classes
        save(fusion, folder.path, tuple(step.networks), seed=context.seed)
        save_answers(answers, folder.path)
        trained = {f"stage {number}": s.history for number, s in enumerate(stretches, 1) if s.history}
        if trained:
            curves(trained, folder.plots / "curves.png")
        found = score(answers[name].logits, answers[name].labels)
        result: dict[str, Any] = {
            "run": folder.path.name,
            "networks": {letter: side.origin for letter, side in self.parents.items()},
            "method": step.method,
            "plan": fusion.plan.as_dict() | {"key": fusion.plan.key},
            "parameters": {"total": sum(parameter.numel() for parameter in fusion.parameters()), "head": head},
            "data": data.name,
            "classes": list(data.classes),
            "n": {"train": len(data.train), "val": len(data.split("val")), name: found.n},
            "split": name,
            "tta": step.tta,
            **scored(found, data),
            "val_accuracy": score(answers["val"].logits, answers["val"].labels).accuracy,
            "stages": [stretch.as_dict() for stretch in stretches],
            "report": None if data.multilabel else self._report(folder, answers, name),
            "duplicates": None if data.duplicates is None else [asdict(pair) for pair in data.duplicates],
            **self._repeated(folder, answers[name]),
        }
        write_text(folder.path / "README.md", card(result, resolved(context.recipe.as_data())))
        record = context.record("fuse", scores(found.accuracy, found.cross_entropy), found.n, name, data)
        return Outcome(result, replace(record, plan=fusion.plan.key))

    def _answers(self, fusion: Fusion, which: SplitName) -> Answers:
        split = self.data.split(which)
        batches = split.batches(self.step.eval_batch)
        return Answers(*predict(fusion, batches, self.context.device, tta=self.step.tta))

    def _report(self, folder: RunFolder, answers: dict[str, Answers], name: SplitName) -> dict[str, Any]:
        """Temperature is fitted on validation; where that is what is scored, there is none."""
        temperature = None if name == "val" else fit_temperature(answers["val"].logits, answers["val"].labels)
        split = self.data.split(name)
        return write_report(
            folder,
            answers[name].logits,
            answers[name].labels,
            self.data,
            names=[split.name(number) for number in range(len(split))],
            temperature=temperature,
            seed=self.context.seed,
        )

    def _repeated(self, folder: RunFolder, own: Answers) -> dict[str, Any]:
        """The trials that the step asks for, each a run in this one's folder, and what all come to."""
        results = []
        for repeat in repeats(self.step, self.context.recipe):
            context = repeat.context(self.context)
            place, text = folder.path / repeat.name, resolved(context.recipe.as_data())
            if check_run(place, text) is None:
                self.context.watch.say(f"now {repeat.told}")
                finished(self._repeat(repeat.letters, repeat.step, context), place, text)
            results.append(repeat.row(place))
        return compared(self.step, self.context.seed, own, results, folder.path)

    def _repeat(self, letters: tuple[str, ...], step: FuseStep, context: Context) -> "Fuse":
        """Networks that are drawn at random are drawn anew by another seed."""
        drawn = {
            letter: parent(context.network(source))
            for letter, source in self.step.letters.items()
            if letter in letters and context.seed != self.context.seed and parse_source(source).random
        }
        chosen = {letter: drawn.get(letter, self.parents[letter]) for letter in letters}
        return Fuse.of(step, context, chosen, self.whole)


def _held_out(step: FuseStep, context: Context, data: DataSet) -> DataSet:
    """The data with validation images, as they bring them or as the seed draws; the step's fold is the test split.

    Validation images choose the epochs, so those of a fold must be others than the ones held out.
    """
    if step.fold is not None and step.folds is not None:
        kept, held = folds(data.train, step.folds, context.seed)[step.fold - 1]
        name = f"{data.name}, fold {step.fold} of {step.folds}"
        data = replace(data, name=name, train=data.train.select(kept), test=data.train.select(held))
    return data.with_validation(context.seed)
