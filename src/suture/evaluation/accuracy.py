"""How often a classifier is right, how surprised it is, and how often two agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.data.dataset import Split
from suture.errors import DataError
from suture.evaluation.attributes import Attribute, attributes
from suture.evaluation.tta import answer, views

BATCH = 256


@dataclass(frozen=True, eq=False)
class Scores:
    """``accuracy`` is a share, ``cross_entropy`` nats per image; ``predictions`` (n,) class numbers.

    With k yes-or-no labels an image, accuracy and cross-entropy (binary) are means over images and attributes,
    ``predictions`` is (n, k) bool, and ``attributes`` holds one entry each; otherwise it is empty.
    """

    accuracy: float
    cross_entropy: float
    n: int
    predictions: Tensor
    attributes: tuple[Attribute, ...] = ()

    def numbers(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "cross_entropy": self.cross_entropy}

    @property
    def auc(self) -> float | None:
        """The mean over the attributes that have an AUC; None where none has."""
        known = [attribute.auc for attribute in self.attributes if attribute.auc is not None]
        return sum(known) / len(known) if known else None

    def agreement(self, other: "Scores") -> float:
        """Share of images (and attributes) on which both predict the same, right or wrong. Raises DataError."""
        return self.correct(other.predictions).double().mean().item()

    def correct(self, labels: Tensor) -> Tensor:
        """Where the predictions are the labels: bool, shaped as both. Raises DataError where the shapes differ."""
        if self.predictions.shape != labels.shape:
            raise DataError(
                f"predictions of shape {tuple(self.predictions.shape)} beside {tuple(labels.shape)}",
                expected="the same images in both, and as many labels an image",
                instead="scores of one split, against the labels of that split",
            )
        return self.predictions == labels


def score(logits: Tensor, labels: Tensor) -> Scores:
    """Scores of logits (n, classes) against labels (n,), or of logits (n, k) against labels (n, k) of 0 and 1."""
    if labels.ndim == 2:
        predictions, told = logits > 0, attributes(logits, labels)
        entropy = F.binary_cross_entropy_with_logits(logits.double(), labels.double())
    else:
        predictions, told = logits.argmax(1), ()
        entropy = F.cross_entropy(logits.double(), labels)
    accuracy = (predictions == labels).double().mean()
    return Scores(accuracy.item(), entropy.item(), len(labels), predictions, told)


@torch.inference_mode()
def predict(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], device: Any = None, tta: str = "none"
) -> tuple[Tensor, Tensor]:
    """Logits (n, classes) and labels, (n,) or (n, k), of all batches, in order, on the CPU.

    ``tta`` is a name of test-time augmentation, see ``answer``. The model is moved to ``device`` and stays there; None
    asks it where it is. Its mode is put back. Raises UsageError for an unknown ``tta``.
    """
    views(tta)
    if device is None:
        device = next((parameter.device for parameter in model.parameters()), "cpu")
    model.to(device)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        pairs = [
            (answer(model, inputs.to(device), tta, several=labels.ndim == 2).float().cpu(), labels)
            for inputs, labels in batches
        ]
    finally:
        for module, mode in modes.items():
            module.training = mode
    logits, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return logits, labels


def answers(
    model: nn.Module, split: Split, *, device: Any = None, batch_size: int = BATCH, tta: str = "none"
) -> tuple[Tensor, Tensor]:
    """What ``predict`` gives for every image of a split.

    Raises DataError where the labels name classes that the classifier does not have, and where it has not one output
    for each of several labels an image.
    """
    logits, labels = predict(model, split.batches(batch_size), device, tta)
    outputs = logits.shape[1]
    if labels.ndim == 2 and labels.shape[1] != outputs:
        raise DataError(
            f"the network has {outputs} outputs, and an image {labels.shape[1]} labels",
            expected="a network with one output for every attribute",
            instead="suture train to give it a head for these data, or other data",
        )
    if labels.ndim == 1 and int(labels.max()) >= outputs:
        raise DataError(
            f"the network tells {outputs} classes apart, the labels go up to {int(labels.max())}",
            expected="a network with an output for every class",
            instead="suture train to give it a head for these data, or other data",
        )
    return logits, labels


def evaluate(
    model: nn.Module, split: Split, *, device: Any = None, batch_size: int = BATCH, tta: str = "none"
) -> Scores:
    """Scores of a classifier on every image of a split. Raises DataError as ``answers`` does."""
    return score(*answers(model, split, device=device, batch_size=batch_size, tta=tta))
