"""``train``: one network, from random weights or from trained ones."""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save_file

from suture.data.dataset import DataSet, SplitName
from suture.data.examples import ImageExamples
from suture.errors import SourceError
from suture.evaluation import evaluate
from suture.graph import Network
from suture.hybrids import head, new_head
from suture.recipes.context import Context
from suture.recipes.verb import STATE, Outcome, Verb
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
        if step.stage.epochs:
            data = data.with_validation(context.seed)
        found, classes = outputs(network, data), len(data.classes)
        if found != classes:
            context.watch.say(f"{network.origin} gets a new head: {found} outputs become {classes} classes")
            new_head(network, classes, context.seed)
        network.classes = data.classes
        if "head" in step.stage.moves:
            head(network)
        return cls(step, context, network, data, new_head=found != classes)

    def run(self, folder: RunFolder) -> Outcome:
        network, stage, watch = self.network, self.step.stage, self.context.watch
        data = self.data
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
                state=folder.path / STATE,
                hooks=epoch_hooks(folder, advance, "train"),
            )
        result: dict[str, Any] = {
            "run": folder.path.name,
            "network": network.origin,
            "data": data.name,
            "new_head": self.new_head,
            "epochs": len(history),
            "n": {"train": len(data.train), "val": len(data.val) if data.val else 0},
            "val_accuracy": history[-1]["val_accuracy"] if history else None,
        }
        name: SplitName = "test" if data.test is not None else "val"
        found = evaluate(network, data.split(name), device=self.context.device)
        result |= {"split": name, "accuracy": found.accuracy, "cross_entropy": found.cross_entropy}
        state = {key: value.cpu().clone().contiguous() for key, value in network.state_dict().items()}
        result["digest"] = digest(state)
        with replacing(folder.path / WEIGHTS) as part:
            save_file(state, part, {"digest": result["digest"], "origin": network.origin})
        write_json(
            folder.path / "network.json",
            {"source": self.step.model, "classes": data.classes, "new_head": self.new_head},
        )
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
def outputs(network: Network, data: DataSet) -> int:
    """How many classes a network tells apart, found by asking it about one image. Raises SourceError."""
    image = data.train.images.batch([0]).float() / 255
    try:
        answer = network(image)
    except RuntimeError as error:
        raise SourceError(
            f"{network.origin} cannot take images of {image.shape[2]}x{image.shape[3]}: {str(error).splitlines()[0]}",
            expected="a network for images of this size, or word of the size that it wants",
            instead=f"{network.origin}?size=224, or whatever it was trained on",
        ) from error
    if not isinstance(answer, torch.Tensor) or answer.ndim != 2:
        raise SourceError(
            f"{network.origin} answers with a {type(answer).__name__}, not one number a class",
            expected="one tensor (N, classes)",
            instead="a function that returns a classifier",
        )
    return int(answer.shape[1])
