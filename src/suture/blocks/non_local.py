"""Non-local block: x + BN(Wz Σⱼ softmaxⱼ(θ(xᵢ) · φ(xⱼ)) g(xⱼ)), self-attention over all cells.

Wang et al. 2018, "Non-local Neural Networks" (arXiv 1711.07971), the embedded Gaussian, as timm has it (its products
are scaled by 1/√C). BN begins at zero, so that the block begins as the identity. θ, φ and g have C / reduction
channels, made a multiple of 8. Memory and time grow with the square of the cells: a map of 56x56 takes 39 MB an image.
"""

from torch import nn

from suture.blocks.block import Count, Site, register


@register("non_local", alike=True)
def make(site: Site, *, reduction: Count = 2) -> nn.Module:
    """Adds to each cell what attention gathers from all others; begins as the identity."""
    from timm.layers import NonLocalAttn

    site.need_cells("non_local")
    return NonLocalAttn(site.channels, rd_ratio=1 / reduction)
