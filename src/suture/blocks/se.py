"""Squeeze and excitation: x · σ(W₂ ReLU(W₁ mean(x))), a weight for each channel from the mean of all.

Hu et al. 2018, "Squeeze-and-Excitation Networks" (arXiv 1709.01507), as torchvision has it, with biases. The hidden
layer has at least 1 channel.
"""

from torch import nn
from torchvision.ops import SqueezeExcitation

from suture.blocks.block import Count, Site, register


@register("se", alike=True)
def make(site: Site, *, reduction: Count = 16) -> nn.Module:
    """Weighs channels by the means of all, through a hidden layer of C / reduction."""
    return SqueezeExcitation(site.channels, max(1, site.channels // reduction))
