"""The residual block of ResNet-50: ReLU(shortcut(x) + 1x1 · 3x3 · 1x1), a quarter of the width within.

He et al. 2016, "Deep Residual Learning" (arXiv 1512.03385), as torchvision has it (the stride is in the 3x3). The
shortcut is x itself, or a 1x1 convolution with BatchNorm where the shape changes.
"""

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.ops import Conv2dNormActivation

from suture.blocks.block import Count, Site, register
from suture.errors import PlanError


class Bottleneck(resnet.Bottleneck):
    """Gives a map that what comes next may write to."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).clone()


@register("bottleneck")
def make(site: Site, *, channels: Count | None = None, stride: Count | None = None) -> nn.Module:
    """The residual block of ResNet-50; width and stride are those of the layer it replaces."""
    site.need_grid("bottleneck")
    out, step = channels or site.out_channels, stride or site.stride
    if out % Bottleneck.expansion:
        raise PlanError(
            f"bottleneck of {out} channels at {site}",
            expected=f"a multiple of {Bottleneck.expansion}",
            instead="mbconv or conv_bn_act",
        )
    same = out == site.channels and step == 1
    shortcut = None if same else Conv2dNormActivation(site.channels, out, 1, step, activation_layer=None)
    return Bottleneck(site.channels, out // Bottleneck.expansion, step, shortcut)
