"""The small architectures, and the trained weights that come with the package."""

import json
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from torch import nn

from suture.sources.zoo.resnet20 import ResNet20
from suture.sources.zoo.tiny10 import Tiny10

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"tiny10": Tiny10, "resnet20": ResNet20}


def bundled(name: str) -> Traversable:
    """The weight file of a bundled network."""
    return files("suture.sources.zoo") / "weights" / f"{name}.safetensors"


def provenance(name: str) -> dict[str, Any]:
    """How a bundled network was made: command, seed, data hash, versions, accuracy, classes, licence."""
    path = files("suture.sources.zoo") / "weights" / f"{name}.json"
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
