"""Low-rank adaptation: layer(x) + (alpha / rank) · B A x around a linear layer or a convolution, B zero at first.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685). Of a convolution A is one of
the same kernel, stride and groups to ``rank`` channels, and B a 1x1. In every group the rank is at most what the weight
can have, so that a depthwise convolution gets rank 1. Adding (alpha / rank) · B A to the weight gives the same layer.
"""

import re
from collections import Counter
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from suture.blocks.block import Chance, Count, Gate, Positive, Site, register
from suture.errors import PlanError
from suture.graph.surgery import Patched

Conv = nn.Conv1d | nn.Conv2d


class LoRA(Gate):
    """y + scale · B(A(x)), where y is what the layer makes of x."""

    keeps_start = True  # see sources.fresh

    def __init__(self, down: nn.Module, up: nn.Module, scale: float, dropout: float) -> None:
        super().__init__()
        self.A, self.B = down, up
        self.dropout = nn.Dropout(dropout)
        self.scale = scale
        for parameter in up.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        change: Tensor = self.B(self.A(self.dropout(x)))
        return y + self.scale * change

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"


@register("lora")
def make(site: Site, *, rank: Count = 8, alpha: Positive = 16.0, dropout: Chance = 0.0) -> nn.Module:
    """A low-rank change beside a linear layer or a convolution, which it wraps; begins as the identity."""
    layer = _bare(site.layer)
    if site.operation != "wrap" or not isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
        done = f"lora around a {type(layer).__name__}" if site.operation == "wrap" else f"to {site.operation} lora"
        raise PlanError(
            f"{done} at {site}",
            expected="to wrap a layer that is an nn.Linear, nn.Conv1d or nn.Conv2d",
            instead=_inside(site),
        )
    if isinstance(layer, nn.Linear):
        own = min(rank, layer.in_features, layer.out_features)
        down, up = nn.Linear(layer.in_features, own, bias=False), nn.Linear(own, layer.out_features, bias=False)
        return LoRA(down, up, alpha / rank, dropout)
    return LoRA(*_convolutions(layer, rank, site), alpha / rank, dropout)


def _bare(layer: nn.Module) -> nn.Module:
    """The layer itself, where blocks are around it but none is in its place."""
    while isinstance(layer, Patched) and all(one.where != "instead" for one in layer.added):
        layer = layer.covered
    return layer


def _convolutions(layer: Conv, rank: int, site: Site) -> tuple[nn.Module, nn.Module]:
    kind: Any = nn.Conv1d if isinstance(layer, nn.Conv1d) else nn.Conv2d
    out, *each = layer.weight.shape
    middle = layer.groups * min(rank, out // layer.groups, prod(each))
    same: dict[str, Any] = {name: getattr(layer, name) for name in ("in_channels", "kernel_size", "stride", "dilation")}
    same |= {"out_channels": middle, "groups": layer.groups, "bias": False}
    down = kind(**same, padding=layer.padding, padding_mode=layer.padding_mode)
    if not _gives(down, site):
        from timm.layers import Conv2dSame

        down = Conv2dSame(**same)
        if kind is nn.Conv1d or not _gives(down, site):
            raise PlanError(
                f"lora around a {type(layer).__name__} at {site}, which pads in its own way",
                expected="a convolution that pads as torch does, or as timm's Conv2dSame",
                instead="another layer, or inject conv_bn_act after it",
            )
    return down, kind(middle, out, 1, groups=layer.groups, bias=False)


def _gives(down: nn.Module, site: Site) -> bool:
    """Whether a convolution gives as many cells as the layer that is wrapped."""
    if site.given is None:
        return True
    with torch.no_grad():
        return tuple(down(torch.zeros(1, *site.given)).shape[2:]) == site.shape[1:]


def _inside(site: Site) -> str:
    """What to wrap instead: the commonest name of linear layers and convolutions in the layer, numbers as ``*``."""
    kinds = nn.Linear, nn.Conv1d, nn.Conv2d
    names = [name for name, module in site.layer.named_modules() if name and isinstance(module, kinds)]
    if not names:
        alone = isinstance(site.layer, kinds)
        return f'{{"{site.name}": {{"wrap": "lora"}}}}' if alone else "another layer; suture layers MODEL lists them"
    found = Counter(re.sub(r"\b\d+\b", "*", name) for name in names)
    return f'{{"{site.name}.{found.most_common(1)[0][0]}": {{"wrap": "lora"}}}}'
