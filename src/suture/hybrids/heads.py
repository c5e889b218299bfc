"""The linear layer that a network ends in, and a new one in its place."""

import torch
from torch import nn

from suture.errors import PlanError, listed
from suture.graph import last_layers


def head(network: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the linear layer that a network ends in.

    It is the one that runs last, seen from one pass; of a plain module, whose input is not known, the last declared.
    Raises PlanError where a network gives features, ends in another layer, or in several side by side.
    """
    check_head(network)
    seen = last_layers(network)
    declared = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    last = tuple(declared[-1:]) if seen is None else seen
    layers = [(name, network.get_submodule(name)) for name in last]
    if len(layers) > 1:
        raise PlanError(
            f"this {_called(network)} ends in {len(layers)} layers side by side: {listed(last)}",
            expected="a network with one head",
            instead="suture fuse, which puts one head over the features of any network",
        )
    for name, layer in layers:
        if isinstance(layer, nn.Linear):
            return name, layer
    told = f", but in {last[0]}, a {type(layers[0][1]).__name__}" if layers else ""
    raise PlanError(
        f"this {_called(network)} ends in no linear layer{told}",
        expected="a head that is an nn.Linear",
        instead="--train all, or a cut before the head",
    )


def check_head(network: nn.Module) -> None:
    """Raises PlanError for a network that timm made without one."""
    body = getattr(network, "body", network)
    if getattr(body, "num_classes", None) == 0:
        raise PlanError(
            f"this {type(body).__name__} has no head: it gives features",
            expected="a network that ends in a linear layer for its classes",
            instead="another network, or a cut in it before the head of one that has classes",
        )


def new_head(network: nn.Module, classes: int, seed: int = 0) -> None:
    """Replace the last linear layer by a random one with ``classes`` outputs. Raises PlanError as ``head``."""
    name, old = head(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = nn.Linear(old.in_features, classes, device=old.weight.device, dtype=old.weight.dtype)
    network.set_submodule(name, fresh)


def _called(network: nn.Module) -> str:
    return type(getattr(network, "body", network)).__name__
