"""The small architectures, and the trained weights that come with the package."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from torch import nn

from suture.sources.zoo.dense import Dense
from suture.sources.zoo.densenet_small import DenseNetSmall
from suture.sources.zoo.inception_v1 import InceptionV1
from suture.sources.zoo.lenet import LeNet
from suture.sources.zoo.mobilenet_small import MobileNetSmall
from suture.sources.zoo.nbn_tiny10 import NbnTiny10
from suture.sources.zoo.resnet20 import ResNet20
from suture.sources.zoo.tiny10 import Tiny10

WIDE = "resnet20-wK"
WIDEST = 32


@dataclass(frozen=True)
class Architecture:
    """``make(num_classes)`` makes it; it takes ``size`` x ``size`` pixels, normalised by the ``norm`` of that name."""

    make: Callable[[int], nn.Module]
    size: int = 32
    norm: str = "cifar10"


ARCHITECTURES = {
    "lenet": Architecture(LeNet),
    "dense": Architecture(Dense),
    "tiny10": Architecture(Tiny10),
    "nbn-tiny10": Architecture(NbnTiny10),
    "resnet20": Architecture(ResNet20),
    "densenet-small": Architecture(DenseNetSmall),
    "mobilenet-small": Architecture(MobileNetSmall),
    "inception-v1": Architecture(InceptionV1, 224, "imagenet"),
}


def architecture(name: str) -> Architecture | None:
    """The architecture of that name; ``resnet20-wK`` is ResNet-20 with K times the channels, K from 1 to 32."""
    stem = WIDE.removesuffix("K")
    wide = re.fullmatch(f"{stem}([1-9][0-9]?)", name)
    if wide and int(wide[1]) <= WIDEST:
        return Architecture(partial(ResNet20, factor=int(wide[1])))
    return ARCHITECTURES.get(name)


def bundled(name: str) -> Traversable:
    """The weight file of a bundled network."""
    return files("suture.sources.zoo") / "weights" / f"{name}.safetensors"


def provenance(name: str) -> dict[str, Any]:
    """How a bundled network was made: command, seed, data hash, versions, accuracy, classes, licence."""
    path = files("suture.sources.zoo") / "weights" / f"{name}.json"
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
