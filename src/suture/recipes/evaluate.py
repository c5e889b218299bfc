"""``eval``: how good one network is on one split."""

from dataclasses import dataclass
from typing import Any

from suture.data.dataset import DataSet
from suture.errors import DataError, PlanError
from suture.evaluation import answers, fit_temperature, report, score
from suture.graph import Network
from suture.recipes.context import Context, check_outputs
from suture.recipes.reports import summary, write_report
from suture.recipes.seen import warn_of_seen
from suture.recipes.train import outputs, scored
from suture.recipes.verb import Outcome, Verb
from suture.runs import RunFolder
from suture.spec.recipe import EvalStep
from suture.spec.record import scores


@dataclass(frozen=True)
class Evaluate(Verb):
    step: EvalStep
    context: Context
    network: Network
    data: DataSet

    @classmethod
    def prepare(cls, step: EvalStep, context: Context) -> "Evaluate":
        network = context.network(step.source)
        data = context.data(network)
        if step.split == "val":
            data = data.with_validation(context.seed)
        data.split(step.split)
        check_outputs(network.origin, outputs(network, data), data)
        if step.report and data.multilabel:
            raise PlanError(
                f"a report of {data.name}, whose images have several labels each",
                expected="data with one class an image",
                instead="suture eval without --report, which tells the accuracy and the AUC of every attribute",
            )
        return cls(step, context, network, data)

    def run(self, folder: RunFolder | None = None) -> Outcome:
        """There is nothing to go on from. In a folder the report of data with one class an image is always written."""
        step, data, split = self.step, self.data, self.data.split(self.step.split)
        context = self.context
        learned = 0 if step.split == "train" else warn_of_seen(step.model, context.recipe, split, context.watch)
        logits, labels = answers(self.network, split, device=self.context.device, tta=step.tta)
        found = score(logits, labels)
        result: dict[str, Any] = {
            "network": self.network.origin,
            "data": data.name,
            "split": step.split,
            "n": found.n,
            **({"tta": step.tta} if step.tta != "none" else {}),
            **scored(found, data),
            **({"learned_from": learned} if learned else {}),
        }
        if not data.multilabel and (step.report or folder is not None):
            names = [split.name(index) for index in range(len(split))]
            more: dict[str, Any] = {"names": names, "temperature": self._temperature(), "seed": self.context.seed}
            if folder is not None:
                told = write_report(folder, logits, labels, data, **more)
            else:
                told = summary(report(logits, labels, data.classes, **more))
            result |= {"report": told} if step.report else {}
        numbers = scores(found.accuracy, found.cross_entropy)
        return Outcome(result, self.context.record("eval", numbers, found.n, step.split, data))

    def _temperature(self) -> float | None:
        """Fitted on the validation images; None where there are none, or where others than test are scored."""
        if self.step.split != "test":
            return None
        try:
            held = self.data.with_validation(self.context.seed).split("val")
        except DataError:
            return None
        return fit_temperature(*answers(self.network, held, device=self.context.device, tta=self.step.tta))
