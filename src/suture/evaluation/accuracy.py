"""How often a classifier is right, how surprised it is, and how often two agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.data.dataset import Split
from suture.errors import DataError

BATCH = 256


@dataclass(frozen=True, eq=False)
class Scores:
    """``accuracy`` is a share, ``cross_entropy`` nats per image; ``predictions`` (n,) class numbers."""

    accuracy: float
    cross_entropy: float
    n: int
    predictions: Tensor

    def numbers(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "cross_entropy": self.cross_entropy}

    def agreement(self, other: "Scores") -> float:
        """Share of images on which both predict the same class, right or wrong."""
        return (self.predictions == other.predictions).double().mean().item()


def score(logits: Tensor, labels: Tensor) -> Scores:
    """Scores of logits (n, classes) against labels (n,)."""
    predictions = logits.argmax(1)
    return Scores(
        (predictions == labels).double().mean().item(),
        F.cross_entropy(logits.double(), labels).item(),
        len(labels),
        predictions,
    )


@torch.inference_mode()
def predict(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: Any = None) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and labels (n,) of all batches, in order, on the CPU.

    The model is moved to ``device`` and stays there; None asks it where it is. Its mode is put back.
    """
    if device is None:
        device = next((parameter.device for parameter in model.parameters()), "cpu")
    model.to(device)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        pairs = [(model(inputs.to(device)).float().cpu(), labels) for inputs, labels in batches]
    finally:
        for module, mode in modes.items():
            module.training = mode
    logits, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return logits, labels


def evaluate(model: nn.Module, split: Split, *, device: Any = None, batch_size: int = BATCH) -> Scores:
    """Scores of a classifier on every image of a split.

    Raises DataError where the labels name classes that the classifier does not have.
    """
    logits, labels = predict(model, split.batches(batch_size), device)
    if int(labels.max()) >= logits.shape[1]:
        raise DataError(
            f"the network tells {logits.shape[1]} classes apart, the labels go up to {int(labels.max())}",
            expected="a network with an output for every class",
            instead="suture train to give it a head for these data, or other data",
        )
    return score(logits, labels)
