"""The last map of every branch: where a network last knows what is where."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

from suture.errors import PlanError
from suture.graph.inventory import Inventory
from suture.graph.spatial import Spatial, frontier
from suture.graph.traced import Traced
from suture.graph.untouched import untouched
from suture.graph.watching import differentiable
from suture.spec.cut import Cut, Layout

ACTIVATIONS = (F.relu, F.relu6, F.silu, F.gelu, F.hardswish, F.mish, F.elu)


def last_maps(traced: Traced) -> tuple[Spatial, ...]:
    """For each branch the last value with a grid before it is pooled or flattened away, in the order of the graph.

    One of a plain network, two of a network of two branches. Cells that nothing follows do not count: of a transformer
    that reads its class token, the last tokens that still have a say are those that go into its last attention. This
    is decided by gradients on the example, up to the first value that alone leads to the output, so that the weights
    of the head do not matter. A last map that is no module's, but an activation function of what a module gave, is
    told as the module's, where other tools can look as well. Raises PlanError where there is no map.
    """
    values = traced.spatial()
    if not values:
        raise PlanError(
            f"this {type(traced.network).__name__} has no value with a grid of cells on the way to its output",
            expected="a network that looks at places: convolutions, or tokens of patches",
            instead="--method saliency, which looks at pixels",
        )
    last = frontier(values)
    end = traced.after([value.cut.name for value in last])
    parts = _followed(traced, last, end)
    alive = [value for value in last if parts[value.cut.name] > 0]
    dead = [value for value in last if value not in alive]
    before = _earlier(dead) - _earlier(alive)
    candidates = [value for value in values if value.cut.name in before]
    parts = _followed(traced, candidates, end)
    whole = [value for value in candidates if parts[value.cut.name] == 1]
    kept = _without_twins([*alive, *frontier(whole)], values)
    return tuple(_of_a_module(traced, value, values) for value in values if value in kept) or last


@torch.no_grad()
def _of_a_module(traced: Traced, value: Spatial, values: Sequence[Spatial]) -> Spatial:
    """The map itself, or that of a module of which it is an activation."""
    modules = Inventory(traced.network).modules
    if value.cut.cells or value.cut.name in modules:
        return value
    alike = frontier(
        other
        for other in values
        if other.cut.name in value.earlier & modules.keys() and other.cut.shape == value.cut.shape
    )
    if len(alike) != 1:
        return value
    names = [value.cut.name, alike[0].cut.name]
    with untouched(traced.network, False):
        found = traced.tap(names).eval()(traced.example[:1].clone())
    own, given = (found[name] for name in names)
    return alike[0] if any(torch.equal(own, activation(given)) for activation in ACTIVATIONS) else value


def _without_twins(last: list[Spatial], values: tuple[Spatial, ...]) -> list[Spatial]:
    """Tokens that differ only by what was made of the same tokens, as keys and values, are these tokens."""
    for a, b in combinations([value for value in last if value.cut.cells], 2):
        shared = frontier(value for value in values if value.cut.name in a.earlier & b.earlier)
        if len(shared) == 1 and all(
            shared[0].cut.name in value.earlier
            for value in values
            if value.cut.name in a.earlier ^ b.earlier or value in (a, b)
        ):
            return _without_twins([*(value for value in last if value not in (a, b)), *shared], values)
    return last


def _earlier(values: Iterable[Spatial]) -> frozenset[str]:
    return frozenset[str]().union(*(value.earlier for value in values))


def _followed(traced: Traced, values: Sequence[Spatial], end: Cut | None) -> dict[str, float]:
    """The share of the channels of each value that ``end``, or the output, reads at some cell, for one image."""
    names = [value.cut.name for value in values]
    if not names:
        return {}
    watched = traced.watched([*names, *([end.name] if end else [])])
    device = next(traced.network.parameters()).device
    with differentiable(traced.network):
        output, found = watched.to(device)(traced.example[:1].clone().to(device))
        read = _summed(found[end.name] if end else output)
        gradients = torch.autograd.grad(read, [found[name] for name in names], allow_unused=True)
    return {
        value.cut.name: 0.0 if gradient is None else _share(value, gradient)
        for value, gradient in zip(values, gradients, strict=True)
    }


def _summed(output: object) -> Tensor:
    """All numbers, each weighed by chance: their plain sum may be the same for every image."""
    leaves = [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
    generator = torch.Generator().manual_seed(0)
    weighed = [(leaf * torch.randn(leaf.shape, generator=generator).to(leaf)).sum() for leaf in leaves]
    return torch.stack([part.float() for part in weighed]).sum()


def _share(value: Spatial, gradient: Tensor) -> float:
    cut = value.cut
    axis = 1 if cut.layout in (Layout.NCHW, Layout.NCL) else gradient.ndim - 1
    channels = gradient.movedim(axis, 0).flatten(2 if cut.cells else 1)
    cells = channels[..., cut.extra or 0 :].flatten(1)
    return float(cells.any(1).double().mean())
