"""The spatial half of CBAM: x · σ(conv(mean and max over the channels)), a weight for each cell.

Woo et al. 2018, "CBAM: Convolutional Block Attention Module" (arXiv 1807.06521), equation 3. One convolution of two
channels to one, without bias; timm's has a BatchNorm after it.
"""

import torch
from torch import Tensor, nn

from suture.blocks.block import Odd, Site, register


class SpatialAttention(nn.Module):
    """(N, C, H, W) to the same shape, of any size."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        weights: Tensor = self.conv(seen).sigmoid()
        return x * weights


@register("spatial_attention")
def make(site: Site, *, kernel_size: Odd = 7) -> nn.Module:
    """Weighs cells by the mean and the maximum of the channels around them."""
    site.need_grid("spatial_attention")
    return SpatialAttention(kernel_size)
