"""Whether what was added to a network has an effect: blocks run, and answers depend on what they change."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from suture.blocks import Gate
from suture.errors import PlanError
from suture.graph import layers, recording, untouched
from suture.hybrids.model import Change

_DRAWS: Final = 16


def check_runs(network: nn.Module, changes: Sequence[Change], example: Tensor) -> None:
    """Raises PlanError for a block that the network goes past."""
    seen = layers(network, {change.block for change in changes}, example)
    idle = [change for change in changes if not seen[change.block].runs]
    if idle:
        raise PlanError(
            f"{idle[0].block} never runs: the network goes past {idle[0].layer}, or reads its weights itself",
            expected="a layer that the network calls",
            instead=f"the layer around it, {idle[0].layer.rpartition('.')[0] or 'if there is one'}",
        )


def check_heard(network: nn.Module, changes: Sequence[Change], example: Tensor) -> None:
    """Raises PlanError for a block from which no way leads to the answer."""
    silent = _unheard(network, {change.block for change in changes}, example)
    if silent:
        raise PlanError(
            f"{next(change.block for change in changes if change.block in silent)} has no say: nothing that it changes "
            "reaches the answer",
            expected="a block that the answer depends on; one that lets class tokens pass has none behind the last "
            "attention, where the head reads these alone",
            instead="an earlier layer, or a block to which all tokens are alike: se, eca, channel_attention, gc",
        )


def _unheard(network: nn.Module, blocks: set[str], example: Tensor) -> set[str]:
    """The blocks with parameters for which the answer does not depend on any value that they change."""
    names = [name for name, _ in network.named_parameters()]
    left = {block for block in blocks if any(name.startswith(f"{block}.") for name in names)}
    with untouched(network, False), torch.enable_grad():
        for _ in range(_DRAWS if left else 0):
            try:
                left = left - _heard(network, left, example)
            except RuntimeError:  # an operation that has no gradient
                return set()
            if not left:
                break
    return left


def _heard(network: nn.Module, blocks: set[str], example: Tensor) -> set[str]:
    """The blocks for which a value that they change has a slope in the answer, seen at random parameters of theirs.

    What is all zero elsewhere is random too: a head that begins at zero passes no gradient, though its input will have
    a say. Units that happen to be dead at these values may hide a block.
    """
    starts = tuple(f"{block}." for block in blocks)
    state = {
        name: (0.5 * torch.randn_like(p) if name.startswith(starts) or not p.any() else p.detach())
        for name, p in network.named_parameters()
        if p.is_floating_point()
    }
    for name, tensor in state.items():
        tensor.requires_grad_(name.startswith(starts))
    modules = {block: network.get_submodule(block) for block in blocks}
    takes, gives = ({f"{side} {name}": one for name, one in modules.items()} for side in ("takes", "gives"))
    with recording(inputs=takes, outputs=gives) as seen:
        answer = functional_call(network, state, (example,))
    tensors = [y for y in pytree.tree_leaves(answer) if isinstance(y, Tensor) and y.requires_grad]
    if not tensors:
        return set()
    total = torch.stack([(y * torch.randn_like(y)).sum() for y in tensors]).sum()
    slopes = torch.autograd.grad(total, [seen[f"gives {block}"] for block in modules], allow_unused=True)
    found = set()
    for (block, module), slope in zip(modules.items(), slopes, strict=True):
        x, y = seen[f"takes {block}"], seen[f"gives {block}"]
        changed = slice(None) if isinstance(module, Gate) or x.shape != y.shape else x != y
        if slope is not None and bool((slope[changed] != 0).any()):
            found.add(block)
    return found
