"""Nearest neighbours: do two matrices put the same samples next to each other?"""

from functools import cache, partial

import torch
from torch import Tensor

from suture.measures.functional.kernels import DIGITS, WORK, cosines
from suture.measures.measure import Family, register


def nearest(k: int, X: Tensor) -> Tensor:
    """Which k other rows of X (n, d) have the greatest cosine with each: (n, k), of equal cosines the first rows.

    Cosines are equal that are to 12 digits. Raises MeasureError for a row of zeros.
    """
    found = cosines(X, centre=False).round_(decimals=DIGITS).fill_diagonal_(-torch.inf)
    return found.sort(dim=1, descending=True, stable=True).indices[:, :k].clone()


def shared(x: Tensor, y: Tensor) -> Tensor:
    """How many neighbours (n, k) each sample has in both: (n,)."""
    among = torch.zeros(len(x), len(x), dtype=torch.bool, device=x.device).scatter_(1, x, True)
    return among.gather(1, y).sum(1).double()


def permuted(x: Tensor, order: Tensor) -> Tensor:
    """Of X[order], in which row i of X is where ``order`` has it."""
    return order.argsort()[x[order]]


@cache
def family(k: float) -> Family:
    return Family(
        prepare=partial(nearest, int(k)),
        relate=shared,
        permuted=permuted,
        size=lambda n, _d: 8 * n * min(int(k), n),
        work=lambda n, _d: WORK * 8 * n * n,
    )


def least(k: float) -> int:
    """Of k + 1 samples, or fewer, all are neighbours of each in any matrix."""
    return int(k) + 2


@register(
    "mutual_knn_k{}_cosine",
    family,
    higher_is_more_similar=True,
    invariances=("isotropic scaling", "row scaling", "orthogonal"),
    least=least,
)
def mutual(x: Tensor, _y: Tensor, common: Tensor) -> Tensor:
    """The mean, over samples, of |N(xᵢ) ∩ N(yᵢ)| / k, N the k nearest rows of X (n, p) or of Y (n, q) by the cosine.

    A sample is no neighbour of itself; rows are not centred; of neighbours equally near the first are taken. Range
    [0, 1], 1 for the same up to the invariances: isotropic scaling, row scaling, orthogonal maps. Huh et al. 2024,
    "The Platonic Representation Hypothesis" (arXiv 2405.07987), appendix A. Limits: unrelated matrices reach
    k / (n − 1), so values of different n do not compare; it is in steps of 1 / (n k), and blind to all but the nearest;
    n ≥ k + 2; a row of zeros is refused. O(n² p + n² log n) to prepare, O(n² + n k) a pair.
    """
    return common.mean() / x.shape[1]


@register(
    "jaccard_knn_k{}_cosine",
    family,
    higher_is_more_similar=True,
    invariances=("isotropic scaling", "row scaling", "orthogonal"),
    least=least,
)
def jaccard(x: Tensor, _y: Tensor, common: Tensor) -> Tensor:
    """The mean, over samples, of |N(xᵢ) ∩ N(yᵢ)| / |N(xᵢ) ∪ N(yᵢ)|, N as in ``mutual_knn_k{}_cosine``.

    X (n, p), Y (n, q). Range [0, 1], 1 for the same up to the invariances: isotropic scaling, row scaling, orthogonal
    maps. As in ReSi, Klabunde et al. 2024 (arXiv 2408.00531). Limits, cost: as there; below the mutual one
    wherever that is below 1.
    """
    return (common / (2 * x.shape[1] - common)).mean()
