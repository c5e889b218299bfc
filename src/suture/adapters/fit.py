"""The least-squares fit of one adapter from batches of activations."""

from collections.abc import Iterable

from torch import Tensor

from suture.adapters.adapter import Adapter, nothing_to_fit
from suture.adapters.pairs import FitReport, PairFits


def fit(adapter: Adapter, batches: Iterable[tuple[Tensor, Tensor]]) -> FitReport:
    """Write the map that takes activations at the source to those at the target, with least squared error.

    ``batches`` are pairs (N, *source.shape), (N, *target.shape) of the same images. The source is moved to
    the target's positions, every position of every image is a sample. With ``resample="none"`` that is done
    here all the same, bilinearly, as otherwise no position has a counterpart. A class token that the source
    lacks is fitted from the mean, as in use.

    Raises AdapterError, leaving the adapter as it was, for a kind without a map, no images, or activations
    that are not finite.
    """
    if not adapter.fittable:
        raise nothing_to_fit(adapter.spec)
    fits = PairFits([adapter.source], [adapter.target], adapter.spec)
    for x, y in batches:
        fits.update([x], [y])
    weight, bias, report = fits.solve(0, 0)
    adapter.set_map(weight, bias)
    return report
