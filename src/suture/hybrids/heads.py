"""The last linear layer of a network, and a new one in its place."""

import torch
from torch import nn

from suture.errors import PlanError


def head(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the last linear layer. Raises PlanError where there is none, or none that is a head."""
    body = getattr(network, "body", network)
    if getattr(body, "num_classes", None) == 0:
        raise PlanError(
            f"this {type(body).__name__} has no head: it gives features",
            expected="a network that ends in a linear layer for its classes",
            instead="another network, or a cut in it before the head of one that has classes",
        )
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise PlanError(
            f"this {type(network).__name__} ends in no linear layer",
            expected="a head that is an nn.Linear",
            instead="--train all, or a cut before the head",
        )
    return layers[-1]


def new_head(network: nn.Module, classes: int, seed: int = 0) -> None:
    """Replace the last linear layer by a random one with ``classes`` outputs. Raises PlanError as ``head``."""
    name, old = head(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = nn.Linear(old.in_features, classes, device=old.weight.device, dtype=old.weight.dtype)
    network.set_submodule(name, fresh)
