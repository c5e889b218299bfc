"""The channel half of CBAM: x · σ(W₂ ReLU(W₁ mean(x)) + W₂ ReLU(W₁ max(x))), without biases.

Woo et al. 2018, "CBAM: Convolutional Block Attention Module" (arXiv 1807.06521), equation 2, as timm has it. The
hidden layer has at least 1 channel.
"""

from torch import nn

from suture.blocks.block import Count, Site, register


@register("channel_attention", alike=True)
def make(site: Site, *, reduction: Count = 16) -> nn.Module:
    """Weighs channels by the means and maxima of all, through a hidden layer of C / reduction."""
    from timm.layers.cbam import ChannelAttn

    return ChannelAttn(site.channels, rd_channels=max(1, site.channels // reduction))
