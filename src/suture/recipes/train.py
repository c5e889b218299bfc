"""``train``: one network, from random weights or from trained ones."""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save_file

from suture.data.dataset import DataSet, SplitName
from suture.data.examples import ImageExamples
from suture.evaluation import evaluate
from suture.graph import Network
from suture.hybrids import head, new_head
from suture.recipes.context import Context
from suture.recipes.verb import Outcome, Verb
from suture.runs import RunFolder, replacing, write_json
from suture.sources import digest
from suture.spec.recipe import TrainStep
from suture.spec.record import scores
from suture.training import Epoch, Hooks, Moving, train

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Train(Verb):
    step: TrainStep
    context: Context
    network: Network
    data: DataSet
    new_head: bool

    @classmethod
    def prepare(cls, step: TrainStep, context: Context) -> "Train":
        network = context.network(step.model, scratch=True)
        data = context.data(network)
        found, classes = outputs(network), len(data.classes)
        if found != classes:
            context.watch.say(f"{network.origin} gets a new head: {found} outputs become {classes} classes")
            new_head(network, classes, context.seed)
        network.classes = data.classes
        return cls(step, context, network, data, new_head=found != classes)

    def run(self, folder: RunFolder) -> Outcome:
        network, stage, watch = self.network, self.step.stage, self.context.watch
        data = self.data if stage.epochs == 0 else self.data.with_validation(self.context.seed)
        moving = Moving([network if "all" in stage.moves else head(network)[1]])
        examples = ImageExamples(data.train, stage.augment)
        with watch.task(f"training {network.origin}", stage.epochs) as advance:
            history = train(
                network,
                moving,
                stage,
                examples,
                evaluate=lambda model: evaluate(model, data.split("val"), device=self.context.device).numbers(),
                seed=self.context.seed,
                device=self.context.device,
                state=folder.path / "state.safetensors",
                hooks=epoch_hooks(folder, advance, "train"),
            )
        network.cpu().eval()
        result: dict[str, Any] = {
            "run": folder.path.name,
            "network": network.origin,
            "data": data.name,
            "epochs": len(history),
            "n": {"train": len(data.train), "val": len(data.val) if data.val else 0},
            "val_accuracy": history[-1]["val_accuracy"] if history else None,
        }
        name: SplitName = "test" if data.test is not None else "val"
        found = evaluate(network, data.split(name), device=self.context.device)
        result |= {"split": name, "accuracy": found.accuracy, "cross_entropy": found.cross_entropy}
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        result["digest"] = digest(state)
        with replacing(folder.path / WEIGHTS) as part:
            save_file(state, part, {"digest": result["digest"], "origin": network.origin})
        write_json(
            folder.path / "network.json",
            {"source": self.step.model, "classes": data.classes, "new_head": self.new_head},
        )
        (folder.path / "state.safetensors").unlink(missing_ok=True)
        record = self.context.record("train", scores(found.accuracy, found.cross_entropy), found.n, name, data)
        return Outcome(result, record)


def epoch_hooks(folder: RunFolder, advance: Any, stage: str, **more: Any) -> Hooks:
    """Every epoch becomes a line of metrics.jsonl and a step of the bar."""
    done = 0

    def epoch(numbers: Epoch) -> None:
        nonlocal done
        done = numbers["epoch"]
        folder.log(stage=stage, **more, **numbers)
        told = f"loss {numbers['loss']:.4f}"
        if "val_accuracy" in numbers:
            told += f", val accuracy {numbers['val_accuracy']:.4f}"
        advance(f"epoch {done}: {told}, {numbers['seconds']:.0f} s", done)

    def batch(finished: int, steps: int) -> None:
        advance("", done + finished / steps)

    return Hooks(epoch, batch)


@torch.no_grad()
def outputs(network: Network) -> int:
    """How many classes a network tells apart, found by asking it."""
    side = network.input_size
    return int(network(torch.zeros(1, 3, side, side)).shape[-1])
