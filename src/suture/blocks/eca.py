"""Efficient channel attention: x · σ(conv(mean(x))), a convolution over neighbouring channels.

Wang et al. 2020, "ECA-Net" (arXiv 1910.03151), as timm has it. The kernel is |log₂(C)/2 + 1/2|, cut to a whole number,
made odd, at least 3: 5 at 256 channels (equation 12).
"""

from torch import nn

from suture.blocks.block import Odd, Site, register


@register("eca", alike=True)
def make(site: Site, *, kernel_size: Odd | None = None) -> nn.Module:
    """Weighs channels by the means of their neighbours; the kernel grows with the width."""
    from timm.layers import EcaModule

    return EcaModule(site.channels) if kernel_size is None else EcaModule(kernel_size=kernel_size)
