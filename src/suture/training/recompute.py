"""Activations computed again in the backward pass, so that those of a whole network need not be kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from suture.errors import PlanError

DEEP = 4


def spans(network: nn.Module) -> list[nn.Module]:
    """The blocks of a network, none inside another: its modules with modules inside, of sequences their members.

    Empty for a network of plain layers in a row, which has nothing to be told apart by.
    """
    found: list[nn.Module] = []
    for child in network.children():
        if _blocks(child) or any(_is_trunk(inner) for inner in child.children()):
            found += spans(child)
        elif list(child.children()):
            found.append(child)
    return found


def _blocks(module: nn.Module) -> list[nn.Module]:
    """The members of a sequence that have modules inside; of anything but a sequence none."""
    if type(module) not in (nn.Sequential, nn.ModuleList):
        return []
    return [member for member in module.children() if list(member.children())]


def _is_trunk(module: nn.Module) -> bool:
    """Whether it has many blocks of a kind, as the sequence in the encoder of a ViT has: more than a block has."""
    kinds = Counter(type(block) for block in _blocks(module))
    return max(kinds.values(), default=0) >= DEEP


@contextmanager
def recomputed(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within, a gradient keeps the inputs of ``modules`` only and runs each of them again when it comes there.

    The second pass draws what the first drew (dropout), starts from the same buffers, and leaves no trace in them
    (BatchNorm). Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost" (arXiv 1604.06174). A module that is
    called with a list or dict, which its caller may change later, runs once as ever. Raises PlanError in the backward
    pass where a module changed its input in place, which then is not there any more.
    """
    with ExitStack() as stack:
        for module in dict.fromkeys(modules):
            stack.enter_context(_wrapped(module))
        try:
            yield
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            raise PlanError(
                "a block of this network changes its input in place, so that it cannot be computed again",
                expected="blocks that leave their input as it is",
                instead="no --recompute",
            ) from error


@contextmanager
def _wrapped(module: nn.Module) -> Iterator[None]:
    forward: Callable[..., Any] = module.forward
    own = "forward" in module.__dict__

    def again(*args: Any, **options: Any) -> Any:
        if any(isinstance(value, list | dict) for value in (*args, *options.values())):
            return forward(*args, **options)
        return checkpoint(
            forward, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), _as_before(module)), **options
        )

    module.forward = again
    try:
        yield
    finally:
        if own:
            module.forward = forward
        else:
            del module.forward


def _as_before(module: nn.Module) -> AbstractContextManager[None]:
    """A context with the buffers as they are now, called before they change; at its end they are what they were."""
    buffers = list(module.buffers())
    first = [buffer.clone() for buffer in buffers]

    @contextmanager
    def entered() -> Iterator[None]:
        last = [buffer.clone() for buffer in buffers]
        _put(buffers, first)
        try:
            yield
        finally:
            _put(buffers, last)

    return entered()


@torch.no_grad()
def _put(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
