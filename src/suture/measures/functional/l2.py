"""The plain difference of two activations, entry by entry."""

import torch
from torch import Tensor

from suture.measures.functional.centred import BLOCK
from suture.measures.measure import Family, register


def keep(X: Tensor) -> Tensor:
    """X (n, d) as it is."""
    return X


def relate(x: Tensor, y: Tensor) -> Tensor:
    """The mean of (X − Y)² over all entries of X (n, d) and Y (n, d), in float64."""
    pairs = zip(x.split(BLOCK, 1), y.split(BLOCK, 1), strict=True)
    return torch.stack([(a.double() - b.double()).square().sum() for a, b in pairs]).sum() / x.numel()


ENTRIES = Family(
    prepare=keep,
    relate=relate,
    permuted=lambda X, order: X[order],
    size=lambda n, d: 4 * n * d,
)


@register("l2", ENTRIES, higher_is_more_similar=False, invariances=(), least=1, same_shape=True, streams="entries")
def mean_square(_x: Tensor, _y: Tensor, common: Tensor) -> Tensor:
    """The mean of (X − Y)² over all entries of X (n, d) and Y (n, d), in float64.

    Range [0, ∞), in squared units of the activations, 0 for equal ones only; no invariances. As "l2" in the published
    code of Csiszárik et al. 2021, "Similarity and Matching of Neural Network Representations" (arXiv 2110.14633).
    Limits: two networks that do the same with their channels in another order are far apart. O(n d).
    """
    return common
