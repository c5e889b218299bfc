"""Linear maps of the channels, for every layout, without torch's global random state."""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.spec.cut import Layout

ChannelMap = nn.Conv2d | nn.Linear
M = TypeVar("M", bound=nn.Module)


class ChannelsFirst(nn.Linear):
    """A linear map of the second axis, (N, in, …) to (N, out, …)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def channel_map(layout: Layout, width_in: int, width_out: int, *, bias: bool = True) -> ChannelMap:
    """A map of the channels of ``layout``, the same at every position, its parameters not yet set.

    ``weight`` is (out, in), or (out, in, 1, 1) for NCHW; ``bias`` is (out,).
    """
    if layout is Layout.NCHW:
        return unset(nn.Conv2d(width_in, width_out, 1, bias=bias, device="meta"))
    kind = ChannelsFirst if layout is Layout.NCL else nn.Linear
    return unset(kind(width_in, width_out, bias=bias, device="meta"))


def unset(module: M) -> M:
    """A module built on meta, as a constructor draws from the global random state, with memory on the CPU."""
    module.to_empty(device="cpu")
    return module


@torch.no_grad()
def draw(module: nn.Module, generator: torch.Generator) -> None:
    """Random parameters, as nn.Conv2d and nn.Linear draw theirs."""
    assert isinstance(module, nn.Conv2d | nn.Linear)
    nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=generator)
    if module.bias is not None:
        bound = 1 / math.sqrt(module.weight[0].numel())
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)


@torch.no_grad()
def write(module: ChannelMap, weight: Tensor, bias: Tensor | None = None) -> None:
    """Set ``weight``, of as many numbers as the module's, and ``bias``."""
    module.weight.copy_(weight.reshape(module.weight.shape))
    if bias is not None:
        assert module.bias is not None
        module.bias.copy_(bias)


def act_with(module: ChannelMap, weight: Tensor, x: Tensor) -> Tensor:
    """What the map would give if ``weight`` were its weight, differentiable in it."""
    if isinstance(module, nn.Conv2d):
        return F.conv2d(x, weight.view_as(module.weight), module.bias)
    if isinstance(module, ChannelsFirst):
        return F.linear(x.movedim(1, -1), weight, module.bias).movedim(-1, 1)
    return F.linear(x, weight, module.bias)
