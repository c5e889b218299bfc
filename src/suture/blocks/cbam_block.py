"""CBAM: a weight for each channel, then one for each cell.

Woo et al. 2018, "CBAM: Convolutional Block Attention Module" (arXiv 1807.06521): ``channel_attention``, then
``spatial_attention``. Unlike timm's it has no BatchNorm.
"""

from collections import OrderedDict

from torch import nn

from suture.blocks import channel_attention, spatial_attention
from suture.blocks.block import Count, Odd, Site, register


@register("cbam_block")
def make(site: Site, *, reduction: Count = 16, spatial_kernel: Odd = 7) -> nn.Module:
    """Weighs channels as channel_attention does, then cells as spatial_attention does."""
    site.need_grid("cbam_block")
    channel = channel_attention.make(site, reduction=reduction)
    spatial = spatial_attention.make(site, kernel_size=spatial_kernel)
    return nn.Sequential(OrderedDict(channel=channel, spatial=spatial))
