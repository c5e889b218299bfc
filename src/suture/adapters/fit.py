"""The least-squares fit of one adapter from batches of activations."""

from collections.abc import Iterable

import torch
from torch import Tensor

from suture.adapters.adapter import Adapter, nothing_to_fit
from suture.adapters.batches import checked, chunks, no_images
from suture.adapters.layouts import to_rows
from suture.adapters.lstsq import decompose, empty, solve, update
from suture.adapters.mapped import Mapped
from suture.adapters.pairs import FitReport


@torch.no_grad()
def fit(adapter: Adapter, batches: Iterable[tuple[Tensor, Tensor]]) -> FitReport:
    """Write the map that takes activations at the source to those at the target, with least squared error.

    ``batches`` are pairs (N, *source.shape), (N, *target.shape) of the same images. The source is moved to
    the target's positions, every position of every image is a sample. With ``resample="none"`` that is done
    here all the same, bilinearly, as otherwise no position has a counterpart. An extra token that the source
    lacks is fitted from the mean, as in use.

    Raises AdapterError, leaving the adapter as it was, for a kind without a map, no images, or activations
    that are not finite.
    """
    if not isinstance(adapter, Mapped):
        raise nothing_to_fit(adapter.spec)
    source, target = adapter.source, adapter.target
    sums = None
    for x, y in batches:
        x, y = checked(x, source, len(x)), checked(y, target, len(x))
        sums = sums or empty([adapter.columns], target.channels, x.device)
        for part in chunks(len(x), target.positions, adapter.columns + target.channels):
            sums = update(sums, adapter.rows(x[part]), to_rows(y[part], target.layout))
    if sums is None or sums.n == 0:
        raise no_images(source, target)
    spectrum = decompose(sums)
    rank = adapter.max_rank(adapter.spec, source, target)
    weight, bias, residual = solve(sums, adapter.spec.ridge, spectrum, rank)
    adapter.set_map(weight, bias)
    return FitReport(sums.n, residual, spectrum.rank)
