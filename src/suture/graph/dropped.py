"""The dropout before a layer: the one that is there, or a layer that drops its own input, so that no name changes."""

from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from suture.graph.ends import example_of
from suture.graph.untouched import untouched


class DroppedLinear(nn.Linear):
    """A linear layer before which each number of its input is dropped with chance ``p`` in train mode."""

    p: float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(x, self.p, self.training))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}"


class DroppedConv(nn.Conv2d):
    """A convolution before which each number of its input is dropped with chance ``p`` in train mode."""

    p: float = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(x, self.p, self.training))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p}"  # type: ignore[no-untyped-call]


@torch.no_grad()
def dropout_before(network: nn.Module, layer: nn.Module, example: Tensor | None) -> nn.Dropout | None:
    """The dropout whose output is the input of ``layer``, or a view of it, and that runs nowhere else.

    It is seen from a pass on ``example``, a batch of input; where that is not known it is the one before ``layer`` in a
    sequence.
    """
    x = example_of(network) if example is None else example
    if x is None:
        return _sibling_before(network, layer)
    given: list[Tensor] = []
    outputs: list[tuple[nn.Dropout, Tensor, int]] = []

    def enter(_layer: nn.Module, args: Any) -> None:
        given.extend(args[:1])

    def leave(one: nn.Dropout) -> Callable[..., None]:
        return lambda _module, _args, y: outputs.append((one, y, y._version))

    with untouched(network, False), ExitStack() as handles:
        handles.callback(layer.register_forward_pre_hook(enter).remove)
        for one in network.modules():
            if isinstance(one, nn.Dropout):
                handles.callback(one.register_forward_hook(leave(one)).remove)
        network(x)
    ran = [one for one, _, _ in outputs]
    for one, y, version in reversed(outputs):
        same = any(y.data_ptr() == z.data_ptr() and y.numel() == z.numel() and z._version == version for z in given)
        if same and ran.count(one) == 1:
            return one
    return None


def _sibling_before(network: nn.Module, layer: nn.Module) -> nn.Dropout | None:
    """The dropout before ``layer`` in a sequence."""
    for parent in network.modules():
        children = list(parent.children()) if isinstance(parent, nn.Sequential) else []
        for one, other in pairwise(children):
            if other is layer and isinstance(one, nn.Dropout):
                return one
    return None
