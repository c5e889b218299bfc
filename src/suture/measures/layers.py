"""The layers of one network that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from suture.errors import CutError, MeasureError
from suture.graph import Traced, untouched
from suture.measures.measure import Shape
from suture.spec.cut import Cut


@dataclass(frozen=True)
class Layers:
    """Layers of one network, each with the shape of its activation of one image; ``origin`` names the network.

    ``cuts`` say what the axes mean, None where that is not known.
    """

    origin: str
    traced: Traced
    shapes: Mapping[str, Shape]
    cuts: Mapping[str, Cut | None]

    @property
    def device(self) -> Any:
        return next((parameter.device for parameter in self.traced.network.parameters()), "cpu")


def look(traced: Traced, origin: str, names: Sequence[str], images: Tensor) -> Layers:
    """The named layers of a network, from what they make of a few images (three, say: one may pass for a width).

    Raises CutError for a name that is no value of the network, MeasureError for a value that is no activation.
    """
    layers = Layers(origin, traced, {}, {})
    with torch.no_grad(), untouched(traced.network, False):
        try:
            tap = traced.tap(names)
        except CutError as error:
            raise error.of(origin) from error
        found: dict[str, Tensor] = tap(images.to(layers.device))
    for name, value in found.items():
        if value.dim() < 2 or len(value) != len(images) or not value.is_floating_point():
            raise MeasureError(
                f"{name} of {origin} is of shape {tuple(value.shape)} for a batch of {len(images)} images",
                expected="an activation: real numbers, with an entry for each image",
                instead="a layer that suture layers --fine prints",
            )
    shapes = {name: tuple(value.shape[1:]) for name, value in found.items()}
    return Layers(origin, traced, shapes, {name: traced.describe(name) for name in found})
