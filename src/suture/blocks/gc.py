"""Global context: x + W₂ ReLU(LN(W₁ Σⱼ softmaxⱼ(w · xⱼ) xⱼ)), one attention-weighted mean added to every cell.

Cao et al. 2019, "GCNet" (arXiv 1904.11492), equation 5, as timm has it. W₂ begins at zero, so that the block begins as
the identity. The hidden layer has C / reduction channels, at least 8 (of fewer, LayerNorm leaves little) or all C.
"""

from torch import nn

from suture.blocks.block import Count, Site, register


@register("gc", alike=True)
def make(site: Site, *, reduction: Count = 16) -> nn.Module:
    """Adds a summary of all cells, weighted by attention, to each; begins as the identity."""
    from timm.layers import GlobalContext

    site.need_cells("gc")
    hidden = max(min(8, site.channels), site.channels // reduction)
    block = GlobalContext(site.channels, fuse_add=True, fuse_scale=False, rd_channels=hidden)
    nn.init.zeros_(block.get_parameter("mlp_add.fc2.bias"))
    return block
