"""A module that stands in the place of another, under the same names."""

from typing import Any, Self

from torch import nn


class Shadow(nn.Module):
    """Has the submodules, parameters and buffers of the layer that it covers, under their names, and runs it.

    The layer itself is no submodule, so that no name gets longer; whatever is put in the place of one of its
    submodules here is what it runs, with the hooks that it has. Attributes that are none of a module's own are looked
    up in it.
    """

    covered: nn.Module

    def cover(self, layer: nn.Module) -> None:
        """Stand for ``layer`` from now on."""
        self._parameters = layer._parameters
        self._buffers = layer._buffers
        self._modules = layer._modules
        self._non_persistent_buffers_set = layer._non_persistent_buffers_set
        object.__setattr__(self, "covered", layer)  # as no submodule
        self._version = layer._version  # state dicts say by it which network they are of
        self.training = layer.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The layer itself. It is called like a module only where hooks want it: torch.fx looks for its name then."""
        layer = self.covered
        hooked = layer._forward_pre_hooks or layer._forward_hooks or layer._backward_pre_hooks or layer._backward_hooks
        return layer._call_impl(*args, **kwargs) if hooked else layer.forward(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.settle()
        return self

    def settle(self) -> None:
        """What the layer goes by is what stands here."""
        self.covered.training = self.training

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            layer = self.__dict__.get("covered")
            if layer is None or name.startswith("__"):
                raise
            return getattr(layer, name)
