"""Canonical correlation analysis (CCA): which subspaces of the samples two matrices share."""

import torch
from torch import Tensor

from suture.measures.functional.compact import Compact, compact
from suture.measures.measure import LINEAR, register


@register("cca_mean", compact, higher_is_more_similar=True, invariances=LINEAR, narrow=("x", "y"))
def mean_correlation(x: Compact, y: Compact) -> Tensor:
    """The mean of the canonical correlations of X (n, p) and Y (n, q), as many as the smaller of their ranks.

    The correlations are the singular values of QₓᵀQᵧ, with orthonormal bases of the centred columns. Range [0, 1], 1
    where one's span holds the other's. Invariances: translation and any invertible linear map. Raghu et al. 2017,
    "SVCCA" (arXiv 1706.05806), without its truncation. Limits: a direction of hardly any variance counts as much as
    the greatest, so noise counts; with n < p + q some correlations are 1 whatever the matrices; n ≥ p + 2 and q + 2.
    """
    # Rounded, the cosine of no angle may come out above 1.
    correlations: Tensor = torch.linalg.svdvals(x.basis.T @ y.basis).clamp(max=1)
    return correlations.mean()
