"""``eval``: how good one network is on one split."""

from dataclasses import dataclass
from typing import Any

from suture.data.dataset import DataSet
from suture.evaluation import evaluate
from suture.graph import Network
from suture.recipes.context import Context, check_outputs
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
        return cls(step, context, network, data)

    def run(self, folder: RunFolder | None = None) -> Outcome:
        """Needs no folder: there is nothing to go on from."""
        del folder
        split, device = self.step.split, self.context.device
        found = evaluate(self.network, self.data.split(split), device=device)
        result: dict[str, Any] = {
            "network": self.network.origin,
            "data": self.data.name,
            "split": split,
            "n": found.n,
            **scored(found, self.data),
        }
        numbers = scores(found.accuracy, found.cross_entropy)
        return Outcome(result, self.context.record("eval", numbers, found.n, split, self.data))
