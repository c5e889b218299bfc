"""Representational similarity analysis (RSA): do two matrices call the same pairs of samples unlike?

Kriegeskorte, Mur & Bandettini 2008, "Representational similarity analysis", Frontiers in Systems Neuroscience 2:4.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from suture.measures.functional.kernels import DIGITS, cosine_of, cosines, normed, squared_distances, value
from suture.measures.measure import register


def correlation_distances(X: Tensor) -> Tensor:
    """1 − the Pearson correlation of each pair of rows of X (n, d): (n, n). Raises MeasureError for a constant row."""
    return (1 - cosines(X, centre=True)).fill_diagonal_(0)


def euclidean_distances(X: Tensor) -> Tensor:
    """Of each pair of rows of X (n, d): (n, n)."""
    return squared_distances(X).sqrt()


def prepare(distances: str, ranked: bool, X: Tensor) -> Tensor:
    """The distances of each pair of samples less their mean, or their ranks, over their norm; 0 on the diagonal.

    Raises MeasureError where all are the same.
    """
    matrix = (correlation_distances if distances == "correlation" else euclidean_distances)(X)
    n = len(matrix)
    one, other = torch.triu_indices(n, n, 1, device=matrix.device)
    found = matrix[one, other]
    if ranked:
        found = _ranks(found)
    matrix = torch.zeros_like(matrix)
    matrix[one, other] = found - found.mean()
    return normed(matrix + matrix.T, found)


def _ranks(found: Tensor) -> Tensor:
    from scipy.stats import rankdata

    numbers = (found / found.max().clamp(min=torch.finfo(found.dtype).tiny)).numpy(force=True)
    return torch.as_tensor(rankdata(np.round(numbers, DIGITS)), dtype=found.dtype, device=found.device)


CORRELATION_RANKS, CORRELATIONS, EUCLIDEAN_RANKS, EUCLIDEAN = (
    cosine_of(partial(prepare, distances, ranked))
    for distances in ("correlation", "euclidean")
    for ranked in (True, False)
)


@register(
    "rsa_correlation_spearman",
    CORRELATION_RANKS,
    higher_is_more_similar=True,
    invariances=("isotropic scaling", "row scaling"),
)
def correlation_spearman(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """Spearman's correlation, over pairs of samples, of their distances in X (n, p) and in Y (n, q).

    The distance is 1 − the Pearson correlation of two rows, whose columns are not centred; pairs are those of different
    samples, each once; equal distances share their mean rank. Range [−1, 1], 1 where the distances have the same order.
    Invariances: isotropic scaling, row scaling (and a constant added to a row). Kriegeskorte et al. 2008 (no arXiv
    number). Limits: a column of a large mean makes all samples alike, and a dead sample (a constant row) is refused;
    n(n − 1)/2 pairs of n samples are not independent. O(n² p + n² log n) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)


@register(
    "rsa_correlation_pearson",
    CORRELATIONS,
    higher_is_more_similar=True,
    invariances=("isotropic scaling", "row scaling"),
)
def correlation_pearson(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """Pearson's correlation, over pairs of samples, of the distances of ``rsa_correlation_spearman`` in X and in Y.

    X (n, p), Y (n, q). Range [−1, 1], 1 where the distances are linear in each other. Invariances: isotropic scaling,
    row scaling. Kriegeskorte et al. 2008. Limits: as there, and a few pairs far apart decide. O(n² p) to prepare,
    O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)


@register("rsa_euclidean_spearman", EUCLIDEAN_RANKS, higher_is_more_similar=True)
def euclidean_spearman(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """Spearman's correlation, over pairs of samples, of their Euclidean distances in X (n, p) and in Y (n, q).

    Pairs are those of different samples, each once; equal distances share their mean rank. Range [−1, 1], 1 where the
    distances have the same order. Invariances: translation, isotropic scaling, orthogonal maps. Kriegeskorte et al.
    2008. Limits: columns of great variance decide; n(n − 1)/2 pairs of n samples are not independent.
    O(n² p + n² log n) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)


@register("rsa_euclidean_pearson", EUCLIDEAN, higher_is_more_similar=True)
def euclidean_pearson(x: Tensor, y: Tensor, common: Tensor) -> Tensor:
    """Pearson's correlation, over pairs of samples, of their Euclidean distances in X (n, p) and in Y (n, q).

    Range [−1, 1], 1 where the distances are linear in each other. Invariances: translation, isotropic scaling,
    orthogonal maps. Kriegeskorte et al. 2008. Limits: as of ``rsa_euclidean_spearman``, and a few samples far from
    all others decide. O(n² p) to prepare, O(n²) a pair; n² numbers a layer.
    """
    return value(x, y, common)
