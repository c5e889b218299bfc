"""A learned weight γ for each channel of a residual branch, which begins small.

Touvron et al. 2021, "Going deeper with Image Transformers" (CaiT, arXiv 2103.17239). Injected it scales the value
itself, which belongs in a residual branch; around a layer it scales what that changes: x + γ(layer(x) − x). So with a
small ``init`` a pretrained layer is all but switched off at first; ``identity_start`` avoids that.
"""

import torch
from torch import Tensor, nn

from suture.blocks.block import AnyLayout, Gate, Number, Site, register
from suture.blocks.residual import around_layer
from suture.spec.cut import Layout


class LayerScale(AnyLayout):
    """γx, of any layout."""

    def __init__(self, site: Site, init: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((site.channels,), float(init)))
        self.after = len(site.shape) - 1 if site.layout in (Layout.NCHW, Layout.NCL) else 0

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = x * self.gamma.reshape(-1, *[1] * self.after)
        return scaled


class ScaleLayer(Gate):
    """x + γ(y − x)."""

    def __init__(self, scale: LayerScale) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        changed: Tensor = x + self.scale(y - x)
        return changed


@register("layer_scale")
def make(site: Site, *, init: Number = 1e-5) -> nn.Module:
    """Scales a branch, or what a wrapped layer changes, by a learned weight for each channel."""
    scale = LayerScale(site, init)
    return ScaleLayer(scale) if around_layer("layer_scale", site) else scale
