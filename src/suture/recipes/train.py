"""``train``: one network, from random weights or from trained ones."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from suture.data.dataset import DataSet, SplitName
from suture.data.examples import ImageExamples
from suture.data.sampling import check_sampling, class_counts
from suture.errors import PlanError, SourceError
from suture.evaluation import Scores, evaluate
from suture.graph import Network
from suture.hybrids import head, new_head
from suture.recipes.context import Context
from suture.recipes.verb import STATE, Outcome, Verb
from suture.runs import RunFolder, replacing, write_json
from suture.sources import digest
from suture.spec.recipe import TrainStep
from suture.spec.record import scores
from suture.spec.stage import Stage
from suture.training import Criterion, Epoch, Hooks, Moving, Trained, hard, spans, train

WEIGHTS = "weights.safetensors"
CHECKPOINTS = "checkpoints"


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
        found, wanted = outputs(network, data), len(data.classes)
        if found != wanted:
            what = "attributes" if data.multilabel else "classes"
            context.watch.say(f"{network.origin} gets a new head: {found} outputs become {wanted} {what}")
            new_head(network, wanted, context.seed)
        network.classes = data.classes
        _moving(network, step.stage)
        check_labels(step.stage, data)
        return cls(step, context, network, data, new_head=found != wanted)

    def run(self, folder: RunFolder) -> Outcome:
        network, data, device = self.network, self.data, self.context.device
        learned = data.train.first(self.step.stage.train_images)
        trained = self._trained(folder, replace(data, train=learned))
        name: SplitName = "test" if data.test is not None else "val"
        found = evaluate(network, data.split(name), device=device)
        result: dict[str, Any] = {
            "run": folder.path.name,
            "network": network.origin,
            "data": data.name,
            "new_head": self.new_head,
            "epochs": len(trained.history),
            "kept": trained.kept,
            "n": {"train": len(learned), "val": len(data.val) if data.val else 0},
            "val_accuracy": trained.last.get("val_accuracy"),
            "split": name,
            **scored(found, data),
            "digest": save_weights(network, folder.path / WEIGHTS),
        }
        write_json(
            folder.path / "network.json",
            {"source": self.step.model, "classes": data.classes, "new_head": self.new_head},
        )
        record = self.context.record("train", scores(found.accuracy, found.cross_entropy), found.n, name, data)
        return Outcome(result, record)

    def _trained(self, folder: RunFolder, data: DataSet) -> Trained:
        network, stage, device = self.network, self.step.stage, self.context.device

        def keep(step: int) -> None:
            if stage.save_every and step % stage.save_every == 0:
                save_weights(network, folder.path / CHECKPOINTS / f"step-{step:06}.safetensors")

        keep(0)
        with self.context.watch.task(f"training {network.origin}", stage.epochs) as advance:
            return train(
                network,
                _moving(network, stage),
                stage,
                ImageExamples(data.train, stage.augment, sampling=stage.sampling),
                criterion=labels_loss(stage, data),
                evaluate=lambda model: evaluate(model, data.split("val"), device=device).numbers(),
                seed=self.context.seed,
                device=device,
                state=folder.path / STATE,
                hooks=replace(epoch_hooks(folder, advance, "train"), step=keep),
            )


def _moving(network: Network, stage: Stage) -> Moving:
    """What a stage lets learn, the head before all. Raises PlanError where the network lacks what is asked for."""
    blocks = spans(network.body) if stage.recompute else []
    if stage.recompute and not blocks:
        raise PlanError(
            f"{network.origin} is made of plain layers, with no blocks to compute again",
            expected="a network of blocks, of which the ends are kept",
            instead="no --recompute, or more --accumulate and a smaller --batch-size",
        )
    parts = sorted({*stage.moves, *stage.lr_of}, key=("head", "all").index)
    modules: list[nn.Module] = [network if part == "all" else head(network)[1] for part in parts]
    return Moving(modules, [stage.lr_of.get(part) for part in parts], blocks)


def labels_loss(stage: Stage, data: DataSet) -> Criterion:
    """The loss of a stage for the labels of ``data``, whose training images are those it learns from."""
    return hard(stage, None if data.multilabel else class_counts(data.train.labels, len(data.classes)))


def check_labels(stage: Stage, data: DataSet) -> None:
    """Raises DataError or PlanError where a stage tells classes apart and the images have several labels each."""
    check_sampling(data.train.labels, stage.sampling)
    labels_loss(stage, data)


def save_weights(network: Network, path: Path) -> str:
    """Write all tensors of a network, by the names that ``@PATH`` reads, and return their digest.

    The same tensors are the same bytes; more than one word of metadata would come in any order.
    """
    state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
    found = digest(state)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as part:
        save_file(state, part, {"digest": found})
    return found


def scored(found: Scores, data: DataSet) -> dict[str, Any]:
    """What a result says of a network's scores; of several labels an image also the mean AUC, and each attribute."""
    if not data.multilabel:
        return found.numbers()
    each = [{"name": name, **asdict(told)} for name, told in zip(data.classes, found.attributes, strict=True)]
    return found.numbers() | {"auc": found.auc, "attributes": each}


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


def outputs(network: Network, data: DataSet) -> int:
    """How many classes a network tells apart, found by asking it about one image. Raises SourceError."""
    return outputs_of(network, network.origin, data.train.images.batch([0]).float() / 255)


@torch.no_grad()
def outputs_of(network: nn.Module, origin: str, image: Tensor) -> int:
    """The same of one image (1, 3, H, W) in [0, 1], of any module, which errors call ``origin``."""
    try:
        answer = network(image)
    except RuntimeError as error:
        raise SourceError(
            f"{origin} cannot take images of {image.shape[2]}x{image.shape[3]}: {str(error).splitlines()[0]}",
            expected="a network for images of this size, or word of the size that it wants",
            instead=f"{origin}?size=224, or whatever it was trained on",
        ) from error
    if not isinstance(answer, Tensor) or answer.ndim != 2:
        raise SourceError(
            f"{origin} answers with a {type(answer).__name__}, not one number a class",
            expected="one tensor (N, classes)",
            instead="a function that returns a classifier",
        )
    return int(answer.shape[1])
