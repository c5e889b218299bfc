"""Which layers come last, seen from one pass."""

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from suture.graph.network import Network
from suture.graph.surgery import Patched
from suture.graph.untouched import untouched


def last_layers(module: nn.Module, example: Tensor | None = None) -> tuple[str, ...] | None:
    """The layers that the output comes from with no other layer between, in the order in which they run.

    A layer is a module with parameters of its own around no other that runs, but for blocks that were put to it.
    ``example`` is a batch of input, known for a network from a source and for a decoder; None where it is not. All is
    left as it was. There are none where no gradient can be had.
    """
    x = example_of(module) if example is None else example
    if x is None:
        return None
    # No gradient passes a layer's output here, so it reaches those alone that nothing else stands behind.
    seen: list[tuple[str, Tensor]] = []
    with untouched(module, False), torch.enable_grad(), ExitStack() as handles:
        for name, layer in module.named_modules():
            if any(True for _ in layer.parameters(recurse=False)):
                watch = _Watch(name, seen, whole=isinstance(layer, Patched) and not len(layer.covered._modules))
                handles.callback(layer.register_forward_pre_hook(watch.enter).remove)
                handles.callback(layer.register_forward_hook(watch.leave).remove)
        results = [y for y in pytree.tree_leaves(module(x)) if isinstance(y, Tensor) and y.requires_grad]
        if not results:
            return ()
        total = torch.stack([result.sum() for result in results]).sum()
        try:
            slopes = torch.autograd.grad(total, [output for _, output in seen], allow_unused=True)
        except RuntimeError:  # an operation that has no gradient
            return ()
    found = [name for (name, _), slope in zip(seen, slopes, strict=True) if slope is not None]
    return tuple(dict.fromkeys(found))


def example_of(module: nn.Module) -> Tensor | None:
    """A batch of one, all zeros, of what a network from a source or a decoder takes; None for any other module."""
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    shape = (3, module.input_size, module.input_size) if isinstance(module, Network) else getattr(module, "entry", None)
    return None if shape is None else torch.zeros(1, *shape, device=like.device, dtype=like.dtype)


class _Watch:
    """Puts a new start of the gradient in the place of a layer's output."""

    def __init__(self, name: str, seen: list[tuple[str, Tensor]], whole: bool) -> None:
        self._name, self._seen, self._whole = name, seen, whole
        self._before: list[int] = []

    def enter(self, *_: Any) -> None:
        self._before.append(len(self._seen))

    def leave(self, _layer: nn.Module, _args: Any, result: Any) -> Any:
        if len(self._seen) > self._before.pop() and not self._whole:
            return result
        return pytree.tree_map_only(Tensor, self._kept, result)

    def _kept(self, result: Tensor) -> Tensor:
        if not result.is_floating_point():
            return result
        start = result.detach().requires_grad_()
        self._seen.append((self._name, start))
        return start.clone()  # what comes next may write to it
