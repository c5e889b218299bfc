"""A module that stands in the place of another, under the same names."""

from typing import Any, Self

from torch import nn


class Shadow(nn.Module):
    """Has the submodules, parameters and buffers of the layer that it covers, under their names, and runs it.

    The layer itself is no submodule, so that no name gets longer; whatever is put in the place of one of its
    submodules here is what it runs. Attributes that are none of a module's own are looked up in it.
    """

    layer: nn.Module

    def cover(self, layer: nn.Module) -> None:
        """Stand for ``layer`` from now on."""
        self._parameters = layer._parameters
        self._buffers = layer._buffers
        self._modules = layer._modules
        self._non_persistent_buffers_set = layer._non_persistent_buffers_set
        object.__setattr__(self, "layer", layer)  # as no submodule
        self.training = layer.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.layer.forward(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.settle()
        return self

    def settle(self) -> None:
        """What the layer goes by is what stands here."""
        self.layer.training = self.training

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            layer = self.__dict__.get("layer")
            if layer is None or name.startswith("__"):
                raise
            return getattr(layer, name)
