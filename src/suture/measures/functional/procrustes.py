"""Orthogonal Procrustes: how far apart two point clouds stay, rotated onto each other as well as can be."""

import torch
from torch import Tensor

from suture.measures.functional.compact import Compact, compact
from suture.measures.measure import register


@register("procrustes_normalised", compact, higher_is_more_similar=False)
def distance(x: Compact, y: Compact) -> Tensor:
    """√(2 − 2 ‖XᵀY‖∗) of X (n, p) and Y (n, q), centred and of Frobenius norm 1; ‖·‖∗ sums the singular values.

    A metric, in [0, √2], 0 for the same up to the invariances: translation, isotropic scaling, orthogonal maps (the
    narrower is padded with zero columns). Ding, Denain & Steinhardt 2021, "Grounding Representation Similarity with
    Statistical Testing" (arXiv 2108.01661), whose distance is its square. Limits: values below about 1e-8 are rounding.
    O(n² max(n, p)) to prepare, O(n³) a pair.
    """
    alike: Tensor = torch.linalg.svdvals(x.rows.T @ y.rows).sum()
    return (2 - 2 * alike).clamp(min=0).sqrt()
