"""The rotation from one set of rows to another.

Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem".
"""

import torch
from torch import Tensor

from suture.adapters.sums import Sums, residual


def rotate(sums: Sums, rank: int | None = None) -> tuple[Tensor, Tensor, float]:
    """W (q, p), b (q,) and 1 − R², of the W with orthonormal rows or columns that has the greatest Σ ⟨y, W x⟩.

    Rows are centred; with the singular value decomposition xᵀy = U S Vᵀ of their cross products, W = V Uᵀ. For a
    target at least as wide as the source all such W keep lengths, so that it is the least-squares one among them. For a
    narrower target it need not be: another, that leaves more of x out, may come nearer to y. Nothing is scaled, so the
    mean alone may be better, and 1 − R² exceed 1. With ``rank``, only the leading singular directions.
    """
    left, _, right = torch.linalg.svd(sums.centred_cross, full_matrices=False)
    weight = (left[:, :rank] @ right[:rank]).T
    bias = sums.y_mean - weight @ sums.x_mean
    return weight, bias, residual(sums, weight, bias)
