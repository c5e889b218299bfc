"""Inverted residual with squeeze and excitation: widen, convolve each channel alone, weigh, narrow.

Sandler et al. 2018, "MobileNetV2" (arXiv 1801.04381) and Tan and Le 2019, "EfficientNet" (arXiv 1905.11946), as
torchvision has it: SiLU, squeezed to a quarter of the width; x is added where the shape is kept. The stride is 1 or 2.
"""

from torch import nn
from torchvision.models.efficientnet import MBConv, MBConvConfig

from suture.blocks.block import Count, Odd, Site, register
from suture.errors import PlanError


@register("mbconv")
def make(
    site: Site,
    *,
    channels: Count | None = None,
    kernel_size: Odd = 3,
    stride: Count | None = None,
    expand_ratio: Count = 6,
) -> nn.Module:
    """An inverted residual of EfficientNet; width and stride are those of the layer it replaces."""
    site.need_grid("mbconv")
    step = stride or site.stride
    if step > 2:
        raise PlanError(f"mbconv with stride={step} at {site}", expected="a stride of 1 or 2", instead="conv_bn_act")
    config = MBConvConfig(expand_ratio, kernel_size, step, site.channels, site.out_channels, num_layers=1)
    # It rounds widths to multiples of 8.
    config.input_channels, config.out_channels = site.channels, channels or site.out_channels
    return MBConv(config, 0.0, nn.BatchNorm2d)
