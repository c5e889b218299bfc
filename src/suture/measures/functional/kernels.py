"""Matrices of all pairs of samples, and the cosine between two such matrices as the value of a measure."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.measures.functional.centred import BLOCK, blocks
from suture.measures.measure import Family, nothing_varies

EPS = torch.finfo(torch.float64).eps
# What is left of a matrix once it is centred is rounding below this share of it.
ROUNDING = 1e-12
# Entries that are equal but for rounding are to be equal where their order counts.
DIGITS = 12
# Matrices of all pairs that are there at once while one is prepared: up to 8 of the ranks of RSA.
WORK = 8


def cosine_of(prepare: Callable[[Tensor], Tensor]) -> Family:
    """The family whose sides are (n, n) matrices of norm 1, and whose value is their inner product."""
    return Family(
        prepare=prepare,
        relate=_inner,
        permuted=_permuted,
        size=lambda n, _d: 8 * n * n,
        work=lambda n, _d: WORK * 8 * n * n,
    )


def value(_x: Any, _y: Any, common: Tensor) -> Tensor:
    """The inner product is all there is to it."""
    return common


def squared_distances(X: Tensor) -> Tensor:
    """Squared Euclidean distances of all pairs of rows of X (n, d): (n, n), in units of a scale of X. O(n² d).

    By XXᵀ, where nothing but rounding is left of two rows nearer than 1e-7 of their distance to the mean: that is 0.
    """
    gram = X.new_zeros((len(X), len(X)), dtype=torch.float64)
    for block in blocks(X, torch.float64):
        gram += block @ block.T
    sizes = gram.diagonal()[:, None] + gram.diagonal()
    found = sizes - 2 * gram
    return found.masked_fill_(found <= 64 * EPS * sizes, 0).fill_diagonal_(0)


def cosines(X: Tensor, centre: bool) -> Tensor:
    """Cosines of all pairs of rows of X (n, d): (n, n). With ``centre``, of rows less their means: correlations.

    O(n² d). Raises MeasureError for a row that has none, and where all pairs have the same.
    """

    def rows() -> Iterator[Tensor]:
        for block in X.split(BLOCK, 1):
            yield block.double() - (X[:, :1].double() if centre else 0)

    scale = torch.stack([block.abs().amax(1) for block in rows()]).amax(0)[:, None]
    flat = (scale == 0).flatten().nonzero().flatten().tolist()
    if flat:
        what = "the same number throughout, and correlates" if centre else "0 throughout, and has an angle"
        raise MeasureError(
            f"sample {flat[0]} (counted from 0; {len(flat)} in all) is {what} with no other",
            expected="features that differ within every sample"
            if centre
            else "a feature of every sample that is not 0",
            instead="a measure of distances, such as rsa_euclidean_spearman, or another layer",
        )
    mean = torch.stack([(block / scale).sum(1) for block in rows()]).sum(0)[:, None] / X.shape[1] if centre else 0
    gram = X.new_zeros((len(X), len(X)), dtype=torch.float64)
    for block in rows():
        block = block / scale - mean
        gram += block @ block.T
    norms = gram.diagonal().sqrt()
    found: Tensor = gram / norms[:, None] / norms
    one, other = torch.triu_indices(len(found), len(found), 1, device=found.device)
    least, most = found[one, other].aminmax()
    if not most - least > ROUNDING:
        raise nothing_varies("all samples are equally far apart by their angles, as where all are the same")
    return found


def double_centred(matrix: Tensor) -> Tensor:
    """HKH of a symmetric K (n, n): rows and columns without their means."""
    rows = matrix.mean(1)
    return matrix - rows[:, None] - rows + rows.mean()


def normed(matrix: Tensor, before: Tensor, same: str = "all samples are equally far apart") -> Tensor:
    """The centred ``matrix`` (n, n) over its norm. Raises MeasureError where it is rounding of what was ``before``."""
    norm = matrix.norm()
    if not norm > ROUNDING * before.norm():
        raise nothing_varies(same)
    found: Tensor = matrix / norm
    return found


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum()


def _permuted(matrix: Tensor, order: Tensor) -> Tensor:
    return matrix[order][:, order]
