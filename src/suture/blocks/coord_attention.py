"""Coordinate attention: x · σ(a over rows) · σ(b over columns), from means over each row and each column.

Hou et al. 2021, "Coordinate Attention for Efficient Mobile Network Design" (arXiv 2103.02907), as timm has it: both
directions share a 1x1 convolution to C / reduction, at least 8, with BatchNorm and hard-swish.
"""

from torch import nn

from suture.blocks.block import Count, Site, register


@register("coord_attention")
def make(site: Site, *, reduction: Count = 32) -> nn.Module:
    """Weighs channels anew in every row and every column, by their means."""
    from timm.layers.coord_attn import CoordAttn

    site.need_grid("coord_attention")
    return CoordAttn(site.channels, rd_channels=max(8, site.channels // reduction))
