"""SimAM: x · σ((x − μ)² / 4(v + λ) + 1/2), the more a cell stands out in its channel, the more it weighs.

Yang et al. 2021, "SimAM: A Simple, Parameter-Free Attention Module" (ICML 2021), equation 5 and the code beside it; v
is the variance of the channel with H·W − 1 below. There are no parameters.
"""

from typing import Any

import torch
from torch import Tensor, nn

from suture.blocks.block import Positive, Site, register


class SimAM(nn.Module):
    """(N, C, H, W) to the same shape, of any size."""

    def __init__(self, e_lambda: float) -> None:
        super().__init__()
        self.e_lambda = e_lambda

    def forward(self, x: Tensor) -> Tensor:
        apart = (x - x.mean((2, 3), keepdim=True)).square()
        others: Any = torch.sym_max(x.shape[2] * x.shape[3] - 1, 1)
        variance = apart.sum((2, 3), keepdim=True) / others
        weights: Tensor = (apart / (4 * (variance + self.e_lambda)) + 0.5).sigmoid()
        return x * weights

    def extra_repr(self) -> str:
        return f"e_lambda={self.e_lambda}"


@register("simam", alike=True)
def make(site: Site, *, e_lambda: Positive = 1e-4) -> nn.Module:
    """Weighs every value by how far it is from the mean of its channel; learns nothing."""
    site.need_cells("simam")
    return SimAM(e_lambda)
