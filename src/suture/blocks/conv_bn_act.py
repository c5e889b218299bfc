"""A convolution, BatchNorm and an activation, as torchvision has them.

Ioffe and Szegedy 2015, "Batch Normalization" (arXiv 1502.03167). In the place of a layer it gives the same shape,
unless ``channels`` or ``stride`` say otherwise.
"""

from typing import Literal

from torch import Tensor, nn
from torchvision.ops import Conv2dNormActivation

from suture.blocks.block import Count, Site, register
from suture.errors import PlanError
from suture.spec.cut import Layout

Activation = Literal["relu", "leaky_relu", "silu", "gelu", "hardswish", "none"]
ACTIVATIONS: dict[str, type[nn.Module] | None] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "none": None,
}


class ConvBnAct(Conv2dNormActivation):
    """Gives a map that what comes next may write to, though ReLU needs its own for the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return made.clone() if isinstance(self[-1], nn.ReLU) else made


@register("conv_bn_act")
def make(
    site: Site,
    *,
    channels: Count | None = None,
    kernel_size: Count = 3,
    stride: Count | None = None,
    groups: Count = 1,
    activation: Activation = "relu",
) -> nn.Module:
    """A convolution, BatchNorm and an activation; width and stride are those of the layer it replaces."""
    if kernel_size > 1:
        site.need_grid("conv_bn_act")
    out = channels or site.out_channels
    if site.channels % groups or out % groups:
        raise PlanError(
            f"conv_bn_act with groups={groups} from {site.channels} to {out} channels at {site}",
            expected="groups that divide both",
            instead="groups=1",
        )
    return ConvBnAct(
        site.channels,
        out,
        kernel_size,
        stride or site.stride,
        padding=_padding(site, kernel_size) if stride is None else None,
        groups=groups,
        activation_layer=ACTIVATIONS[activation],
        inplace=None,
    )


def _padding(site: Site, kernel: int) -> int:
    """Half the kernel, or what gives the rows that it should: not every layer that is replaced pads so."""
    half = (kernel - 1) // 2
    if site.layout not in (Layout.NCHW, Layout.NHWC) or len(site.out) != 3:
        return half
    rows, wanted = site.frame.grid[0], site.out[1 if site.layout is Layout.NCHW else 0]
    fits = (pad for pad in (half, *range(kernel)) if (rows + 2 * pad - kernel) // site.stride + 1 == wanted)
    return next(fits, half)
