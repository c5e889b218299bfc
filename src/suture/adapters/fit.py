"""The closed-form fit of one adapter from batches of activations."""

from collections.abc import Iterable

import torch
from torch import Tensor

from suture.adapters.adapter import Adapter, nothing_to_fit
from suture.adapters.batches import checked, chunks, no_images
from suture.adapters.flat import check_size
from suture.adapters.mapped import Mapped
from suture.adapters.solution import FitReport, become, find
from suture.adapters.sums import empty, update
from suture.adapters.weighting import checked_weights, no_weight

Batch = tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def fit(adapter: Adapter, batches: Iterable[Batch]) -> FitReport:
    """Write the map that takes activations at the source to those at the target, as the start asks for.

    That is the orthogonal one, or the one with least squared error, also of a start that is not fitted by itself. A
    mask that is fitted comes first, and the map keeps to it; if only the mask is fitted, the start stays within it.

    ``batches`` are pairs (N, *source.shape), (N, *target.shape) of the same images. The source is moved to
    the target's positions, every position of every image is a sample. With ``resample="none"`` that is done
    here all the same, bilinearly, as otherwise no position has a counterpart. An extra token that the source
    lacks is fitted from the mean, as in use. A third part, (N, positions of the target) or (N, 1) where flattened, is
    what the samples count, at least 0; only the ratios matter. Every batch is read once; memory is O(p² + p·q) in the
    channels (columns).

    Raises AdapterError, leaving the adapter as it was, for a kind without a map, no images, activations or weights
    that are not finite, missing weights, nothing but zero weights, and more columns than a flattened fit can have.
    """
    if not isinstance(adapter, Mapped):
        raise nothing_to_fit(adapter.spec)
    spec, source, target = adapter.spec, adapter.source, adapter.target
    check_size(spec, source, target, fitted=True)
    sums = None
    for x, y, *rest in batches:
        x, y = checked(x, source, len(x)), checked(y, target, len(x))
        weights = checked_weights(rest, spec, target, len(x))
        sums = sums or empty([adapter.columns], adapter.widths[1], x.device)
        for part in chunks(len(x), adapter.ends[1].positions, adapter.columns + adapter.widths[1]):
            count = None if weights is None else weights[part].flatten().to(x.device)
            sums = update(sums, adapter.rows(x[part]), adapter.target_rows(y[part]), count)
    if sums is None or sums.n == 0:
        raise no_images(source, target)
    if sums.mass == 0:
        raise no_weight(target)
    solution = find(adapter, sums, rank=adapter.max_rank(spec, source, target))
    become(adapter, solution)
    return solution.report
