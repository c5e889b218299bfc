"""Where a network's features are: what goes into its last layer, and its last map."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from suture.errors import CutError
from suture.graph.traced import Traced
from suture.graph.untouched import untouched
from suture.spec.cut import Cut, Layout

_PROBES: Final = 2


def penultimate(traced: Traced) -> Cut:
    """The cut whose value goes into the last layer that has parameters.

    Dropout and the like between the two are left out, so that none of the old head stays. Of a value and its
    flattened form the vector is taken. Where the last layer is a convolution (SqueezeNet), or where two layers share
    the end (a distilled DeiT), the value is a map or tokens.

    Raises CutError where no legal cut has parameters after it.
    """
    cuts = [cut for cut in traced.cuts(fine=True) if cut.params_after]
    if not cuts:
        raise CutError(
            f"this {type(traced.network).__name__} has no legal cut before its last layer",
            expected="a network in which a single value goes into the last layer with parameters",
            instead="another network, or a named cut",
        )
    first, *later = _alike(traced, cuts)
    if first.layout is Layout.NC:
        return first
    vectors = [cut for cut in later if cut.layout is Layout.NC and _same(traced, first, cut, training=True)]
    return vectors[0] if vectors else first


def last_map(traced: Traced) -> Cut:
    """The last cut with a grid of more than one cell: a map, or tokens whose grid is known; never the image itself.

    Raises CutError where the network has none.
    """
    learnt = [cut for cut in traced.cuts(fine=True) if cut.params_before and cut.params_after]
    cuts = [cut for cut in learnt if cut.grid and max(cut.grid) > 1]
    if not cuts:
        raise CutError(
            f"this {type(traced.network).__name__} has no cut at a map",
            expected="a network with a value that has height and width",
            instead="another network, or larger images",
        )
    return _alike(traced, cuts)[0]


def _alike(traced: Traced, cuts: Sequence[Cut]) -> Sequence[Cut]:
    """The last of ``cuts``, after all those before it that have the same value in eval mode."""
    first = len(cuts) - 1
    while first and _same(traced, cuts[first - 1], cuts[-1], training=False):
        first -= 1
    return cuts[first:]


def _same(traced: Traced, start: Cut, end: Cut, *, training: bool) -> bool:
    """Whether the part between two cuts gives back the numbers it is given, seen on random ones."""
    network = traced.network
    like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    with untouched(network, training), torch.no_grad():
        x = torch.randn(_PROBES, *start.shape, device=like.device, dtype=like.dtype)
        y: Tensor = traced.between(start.name, end.name).train(training)(x)
        return y.numel() == x.numel() and torch.equal(y.flatten(1), x.flatten(1))
