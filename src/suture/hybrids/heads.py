"""The last linear layer of a network, and a new one in its place."""

import torch
from torch import nn

from suture.errors import PlanError
from suture.hybrids.hybrid import Hybrid


def head(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the last linear layer. Raises PlanError where there is none."""
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise PlanError(
            f"this {type(network).__name__} ends in no linear layer",
            expected="a head that is an nn.Linear",
            instead="--train all, or a cut before the head",
        )
    return layers[-1]


def new_head(hybrid: Hybrid, classes: int, seed: int = 0) -> None:
    """Replace the hybrid's head by a random one with ``classes`` outputs, which may learn."""
    name, old = head(hybrid.decoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = nn.Linear(old.in_features, classes, device=old.weight.device, dtype=old.weight.dtype)
    hybrid.decoder.set_submodule(name, fresh)
