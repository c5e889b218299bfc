"""A network trained in stages, and all that is told of one, whatever it is made of."""

from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from suture.data.dataset import DataSet, SplitName
from suture.errors import PlanError
from suture.evaluation import Scores, fit_temperature, predict, score
from suture.recipes.answers import Answers, save_answers
from suture.recipes.context import Context
from suture.recipes.reports import write_report
from suture.recipes.staged import Stretch, Trainee, moving, train_stages
from suture.recipes.train import check_labels, scored
from suture.reporting.figures import curves
from suture.runs import RunFolder
from suture.spec.recipe import FuseStep, PatchStep


@dataclass(frozen=True, eq=False)
class Trained:
    """``answers`` are on validation and on ``split``, of which ``found`` are the scores."""

    stretches: list[Stretch]
    answers: dict[str, Answers]
    split: SplitName
    found: Scores

    @property
    def own(self) -> Answers:
        return self.answers[self.split]


def check_stages(trainee: Trainee, step: FuseStep | PatchStep, data: DataSet) -> None:
    """Raises PlanError where a stage moves what is not there or cannot learn, or where controls cannot be compared."""
    if data.multilabel and step.controls:
        raise PlanError(
            "controls are compared by the images that each gets right, and these have several labels",
            expected="data with one class an image",
            instead="no --controls",
        )
    for stage in step.stages:
        check_labels(stage, data)
        if stage.epochs and not moving(trainee.parts, stage).parameters():
            raise PlanError(
                f"nothing in the {' and '.join(stage.moves)} can learn",
                expected="a part with parameters",
                instead="moves: [all]",
            )


def answered(model: nn.Module, step: FuseStep | PatchStep, data: DataSet, context: Context) -> dict[str, Answers]:
    """The answers on validation, and on test where there is one; the last are those that are scored."""
    splits: tuple[SplitName, ...] = ("val",) if data.test is None else ("val", "test")
    batches = {which: data.split(which).batches(step.eval_batch) for which in splits}
    return {which: Answers(*predict(model, batches[which], context.device, tta=step.tta)) for which in splits}


def trained(
    trainee: Trainee, step: FuseStep | PatchStep, data: DataSet, context: Context, folder: RunFolder
) -> Trained:
    """Train all stages and let the network answer; it ends on the CPU, knowing the names of the classes."""
    stretches = train_stages(trainee, step.stages, data, context, folder, step.eval_batch)
    answers = answered(trainee.model, step, data, context)
    trainee.model.cpu()
    trainee.model.classes = trainee.parts.classes = data.classes
    save_answers(answers, folder.path)
    told = {f"stage {number}": s.history for number, s in enumerate(stretches, 1) if s.history}
    if told:
        curves(told, folder.plots / "curves.png")
    name: SplitName = "val" if data.test is None else "test"
    return Trained(stretches, answers, name, score(answers[name].logits, answers[name].labels))


def outcome(
    done: Trained, step: FuseStep | PatchStep, data: DataSet, context: Context, folder: RunFolder
) -> dict[str, Any]:
    """What a result says of the training and of the scores. Writes the report."""
    name, found = done.split, done.found
    held = done.answers["val"]
    learned = max(len(data.train.first(stage.train_images)) for stage in step.stages)
    return {
        "data": data.name,
        "classes": list(data.classes),
        "n": {"train": learned, "val": len(data.split("val")), name: found.n},
        "split": name,
        "tta": step.tta,
        **scored(found, data),
        "val_accuracy": score(held.logits, held.labels).accuracy,
        "stages": [stretch.as_dict() for stretch in done.stretches],
        "report": None if data.multilabel else _report(done, data, context, folder),
        "duplicates": None if data.duplicates is None else [asdict(pair) for pair in data.duplicates],
    }


def _report(done: Trained, data: DataSet, context: Context, folder: RunFolder) -> dict[str, Any]:
    """Temperature is fitted on validation; where that is what is scored, there is none."""
    held, split = done.answers["val"], data.split(done.split)
    return write_report(
        folder,
        done.own.logits,
        done.own.labels,
        data,
        names=[split.name(number) for number in range(len(split))],
        temperature=None if done.split == "val" else fit_temperature(held.logits, held.labels),
        seed=context.seed,
    )
