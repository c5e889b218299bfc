"""``predict``: what a network says of images that nobody labelled."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from suture.errors import DataError, UsageError
from suture.evaluation import as_probabilities, check_finite
from suture.evaluation import predict as answered
from suture.evaluation.tta import views
from suture.graph.untouched import untouched
from suture.recipes.pictures import Given, pictures, read_batches
from suture.recipes.seen import folder_of
from suture.recipes.train import outputs_of
from suture.runs import RunFolder
from suture.sources import load

SIDE = 224


@dataclass(frozen=True)
class Prediction:
    """``name`` is the class with the highest of the ``probabilities`` by class name, ``confidence`` is that."""

    image: str
    name: str
    confidence: float
    probabilities: dict[str, float]


def predict(
    network: str | nn.Module,
    images: Given | Iterable[Given],
    *,
    tta: str = "none",
    temperature: float = 1.0,
    several: bool | None = None,
    skip_bad: bool = False,
    device: str | None = None,
    trust_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Prediction]:
    """What a network says of each image, in order.

    ``network`` is a source string or a module that takes RGB images in [0, 1]; ``images`` are paths (a file, a folder,
    a pattern), PIL images or tensors (3, H, W), one or many. Files are decoded as ``folder:`` data are. Without class
    names of its own a network has numbers for them; a name that repeats gets its number behind it.

    ``temperature`` divides the logits, as ``suture eval --report`` found it; ``tta`` (none, flip, crops) averages over
    views of each image. With ``several`` labels an image every class has a probability of its own (a sigmoid); None
    asks the result of a ``run:`` source, and is False of any other. With ``skip_bad`` images that cannot be read are
    left out, and ``tell`` is told. ``device`` None is where a module is. Raises DataError, SourceError, UsageError.
    """
    views(tta)
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(
            f"a temperature of {temperature}", expected="a number above 0; 1 changes nothing", instead="--temperature 1"
        )
    found = pictures(images)
    module = load(network, trust_code=trust_code) if isinstance(network, str) else network
    if several is None:
        several = isinstance(network, str) and _has_attributes(network)
    size = getattr(module, "decode_size", None) or SIDE
    predictions: list[Prediction] = []
    names: list[str] = []
    for called, batch in read_batches(found, size, tell if skip_bad else None):
        names = names or _names(module, batch[:1])
        labels = torch.zeros((len(batch), 1) if several else len(batch))  # their shape is all that is looked at
        logits, _ = answered(module, [(batch, labels)], device, tta)
        check_finite(logits)
        predictions += _told(called, names, logits / temperature, several)
    if not predictions:
        raise DataError(
            f"none of {len(found)} images can be read", expected="whole image files", instead="other files, or folders"
        )
    return predictions


def _told(images: list[str], names: list[str], logits: Tensor, several: bool) -> Iterable[Prediction]:
    shares = logits.double().sigmoid().numpy() if several else as_probabilities(logits)
    for image, row, best in zip(images, shares.tolist(), logits.argmax(1).tolist(), strict=True):
        yield Prediction(image, names[best], row[best], dict(zip(names, row, strict=True)))


def _names(module: nn.Module, image: Tensor) -> list[str]:
    """One name an output, no two the same."""
    origin = getattr(module, "origin", "") or type(module).__name__
    where = next((parameter.device for parameter in module.parameters()), image.device)
    with untouched(module, False):
        count = outputs_of(module, origin, image.to(where))
    classes = getattr(module, "classes", None) or ()
    names = list(classes) if len(classes) == count else [str(number) for number in range(count)]
    return [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)]


def _has_attributes(source: str) -> bool:
    """Whether a ``run:`` source was trained on data with several labels an image."""
    folder = folder_of(source)
    return folder is not None and "attributes" in (RunFolder(folder).result or {})
