"""Generalised mean pooling: (mean of max(x, ε)ᵖ)^(1/p) over all cells, with one learned p.

Radenović et al. 2018, "Fine-tuning CNN Image Retrieval" (arXiv 1711.02512): p = 1 is the mean, large p the
maximum. What is negative counts as ε, so it belongs after a ReLU. It gives one cell, as the pooling before a head does.
"""

import torch
from torch import Tensor, nn

from suture.blocks.block import Positive, Site, register

EPSILON = 1e-6


class GeM(nn.Module):
    """(N, C, H, W) to (N, C, 1, 1)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(float(p)))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=EPSILON).pow(self.p).mean((2, 3), keepdim=True).pow(1 / self.p)


@register("gem")
def make(site: Site, *, p: Positive = 3.0) -> nn.Module:
    """Pools to one cell by a generalised mean of learned power, in the place of average pooling."""
    site.need_cells("gem")
    return GeM(p)
