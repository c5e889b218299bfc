"""Stochastic depth: in training a residual branch is left out of an image with chance p, else divided by 1 − p.

Huang et al. 2016, "Deep Networks with Stochastic Depth" (arXiv 1603.09382), as torchvision has it. Injected it drops
the value itself, which belongs in a residual branch; around a layer it drops what that changes: x + drop(layer(x) − x).
Outside training it does nothing. There are no parameters.
"""

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from suture.blocks.block import AnyLayout, Chance, Gate, Site, register
from suture.blocks.residual import around_layer


class DropPath(AnyLayout):
    """An activation of any layout, (N, ...)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.drop = StochasticDepth(p, "row")

    def forward(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.drop(x)
        return dropped


class DropLayer(Gate):
    """x + drop(y − x): images whose path is dropped pass the layer by."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.drop = StochasticDepth(p, "row")

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        # Not by the formula outside training: y exactly, without rounding.
        return x + self.drop(y - x) if self.training else y


@register("drop_path")
def make(site: Site, *, p: Chance = 0.1) -> nn.Module:
    """Leaves out a branch, or what a wrapped layer changes, with chance p in training; learns nothing."""
    return DropLayer(p) if around_layer("drop_path", site) else DropPath(p)
