"""A matrix of at most n columns that stands for X (n, d) up to a rotation of its columns."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from suture.measures.functional.centred import blocks
from suture.measures.measure import nothing_varies


@dataclass(frozen=True, eq=False)
class Compact:
    """``rows`` (n, min(n, d)) of Frobenius norm 1, with the centred Gram matrix of X times a number as its own.

    ``rounding`` is the share of the largest singular value below which another one is 0.
    """

    rows: Tensor
    rounding: float

    @cached_property
    def basis(self) -> Tensor:
        """Orthonormal columns that span those of the centred X, (n, rank)."""
        u: Tensor
        u, s, _ = torch.linalg.svd(self.rows, full_matrices=False)
        return u[:, s > self.rounding * s[0]]


def compact(X: Tensor) -> Compact:
    """X (n, d) in float64, centred, in units of its norm; wide ones by a QR of the transpose, a block at a time.

    What is no more than the rounding of X's own type does not count as a direction. Raises MeasureError where all
    rows are the same.
    """
    n, d = X.shape
    if d <= n:
        rows = torch.cat(list(blocks(X, torch.float64)), 1)
    else:
        triangle = X.new_zeros((0, n), dtype=torch.float64)
        for block in blocks(X, torch.float64):
            triangle = torch.linalg.qr(torch.cat([triangle, block.T]), mode="r").R
        rows = triangle.T
    norm = rows.norm()
    if not norm > 0:
        raise nothing_varies()
    own = torch.finfo(X.dtype).eps if X.is_floating_point() else 0.0
    return Compact(rows / norm, max(own, max(n, d) * torch.finfo(torch.float64).eps))
