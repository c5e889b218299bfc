"""The network's own answers to an example, to hold what a rung gives against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from suture.errors import TraceError
from suture.graph.untouched import untouched

TOLERANCE: Final = 1e-4


@final
@dataclass(frozen=True)
class Answer:
    """What a network returned in one mode, and what its buffers held afterwards."""

    output: Any
    buffers: tuple[Tensor, ...]


def answer(network: nn.Module, training: bool, run: Callable[[], Any]) -> Answer:
    """``run()`` with ``network`` in the given mode, undone afterwards."""
    with untouched(network, training), torch.no_grad():
        output = run()
        return Answer(output, tuple(buffer.clone() for buffer in network.buffers()))


@final
class Wanted:
    """The network's own answers to ``example``, each given when it is first asked for."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        self._network, self._example = network, example
        self._known: dict[bool, Answer] = {}

    def __call__(self, training: bool) -> Answer:
        """In train or in eval mode. Raises TraceError where the network itself fails."""
        if training not in self._known:
            try:
                self._known[training] = answer(self._network, training, lambda: self._network(self._example.clone()))
            except Exception as error:
                mode, shape = "train" if training else "eval", tuple(self._example.shape)
                raise TraceError(
                    f"in {mode} mode the network fails on a batch of shape {shape}: {brief(error)}",
                    expected="a network that takes this batch in eval and in train mode",
                    instead="an example of the shape the network was made for, as example=torch.rand(2, 3, 224, 224)",
                ) from error
        return self._known[training]


def agree(ours: Answer, theirs: Answer, tolerance: float = TOLERANCE) -> bool:
    """Whether outputs and buffers are the same up to ``tolerance`` of their scale."""
    return same(ours.output, theirs.output, tolerance) and same(ours.buffers, theirs.buffers, tolerance)


def same(ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> bool:
    mine, yours = pytree.tree_leaves(ours), pytree.tree_leaves(theirs)
    if len(mine) != len(yours):
        return False
    return all(_close(a, b, tolerance) for a, b in zip(mine, yours, strict=True))


def _close(a: Any, b: Any, tolerance: float) -> bool:
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        return type(a) is type(b) and bool(a == b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if not a.is_floating_point():
        return bool(torch.equal(a, b))
    scale = float(b.detach().abs().max()) if b.numel() else 0.0
    return bool(torch.allclose(a, b, rtol=0.0, atol=tolerance * max(scale, 1e-6), equal_nan=True))


def brief(error: BaseException) -> str:
    """The kind of an error and its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
