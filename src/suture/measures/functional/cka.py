"""Linear centred kernel alignment (CKA): how alike the distances between samples are.

Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of Neural Network Representations Revisited" (arXiv 1905.00414).
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.measures.functional.centred import Centred, centred, inner, permuted
from suture.measures.measure import Family, nothing_varies, register


def cka_linear_biased(x: Tensor, y: Tensor) -> Tensor:
    """Differentiable biased linear CKA of x (n, ...) and y (n, ...), each flattened to (n, features): a scalar.

    In [0, 1], and invariant as the measure of the same name. Computed in float32, also under autocast, or in float64
    where either is. Where it is 0/0 (n = 1, or all samples alike) it is 0 and every gradient is 0; activations that
    are not finite give nan. Of a small batch it is far above the value of the whole set: it is biased by about
    features / n. Raises MeasureError for unequal numbers of samples.
    """
    if len(x) != len(y):
        raise MeasureError(
            f"{len(x)} samples of one and {len(y)} of the other",
            expected="activations of the same samples, in the same order",
            instead="both activations of one batch",
        )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        a, b = (centred(z.reshape(len(z), -1), dtype) for z in (x, y))
        varies = (a.square > 0) & (b.square > 0)
        # The norms are replaced before the root as well: the gradient of an unused branch still flows, as 0 times inf.
        norms = (torch.where(varies, z.square, 1).sqrt() for z in (a, b))
        return torch.where(varies, inner(a, b) / prod(norms), 0)


@dataclass(frozen=True, eq=False)
class Settled:
    """``square`` = ‖XᵀX‖² of the centred columns: what the biased one asks of one matrix."""

    square: Tensor


def prepare(X: Tensor) -> Centred:
    """X (n, d) centred in float64. Raises MeasureError where all rows are the same."""
    side = centred(X)
    _check(side.square)
    return side


def settle(products: Tensor) -> Settled:
    """By XᵀX (d, d) of the centred columns. Raises MeasureError where nothing varies."""
    side = Settled(products.square().sum())
    _check(side.square)
    return side


def cross(_x: Settled, _y: Settled, products: Tensor) -> Tensor:
    """‖XᵀY‖², of XᵀY (p, q)."""
    return products.square().sum()


INNER = Family(
    prepare=prepare,
    relate=inner,
    permuted=permuted,
    size=lambda n, d: 8 * n * min(n, d),
    settle=settle,
    cross=cross,
)


@register("cka_linear_biased", INNER, higher_is_more_similar=True, estimator="biased", streams="moments")
def biased(x: Centred | Settled, y: Centred | Settled, common: Tensor) -> Tensor:
    """‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of column-centred X (n, p) and Y (n, q), Frobenius norms: Kornblith 2019, eq. 4.

    Range [0, 1], 1 for the same up to the invariances: translation, isotropic scaling, orthogonal maps. The ratio of
    biased HSIC estimates with K = XXᵀ (arXiv 1905.00414). Limits: with more features than samples it comes near 1 for
    any two, even random, matrices; a few directions of great variance decide it. O(n p min(n, p)) to prepare,
    O(n min(n, p, q)²) a pair at most.
    """
    return common / (x.square.sqrt() * y.square.sqrt())


@register("cka_linear_debiased", INNER, higher_is_more_similar=True, least=4, estimator="debiased")
def debiased(x: Centred, y: Centred, common: Tensor) -> Tensor:
    """HSICᵤ(K, L) / √(HSICᵤ(K, K) HSICᵤ(L, L)) with K = XXᵀ, L = YYᵀ, of X (n, p) and Y (n, q), n ≥ 4.

    HSICᵤ is the unbiased estimate of Song et al. 2012, "Feature Selection via Dependence Maximization" (JMLR 13), eq.
    5, on the whole sample; the ratio is that of Kornblith et al. 2019 (arXiv 1905.00414). Range [−1, 1], below 0 as
    often as above for unrelated matrices; it is not cut off at 0. Invariances: translation, isotropic scaling,
    orthogonal maps. Limits: a ratio of unbiased estimates is not itself unbiased.
    O(n p min(n, p)) to prepare, O(n²) a pair at most, and what is kept of a layer is n min(n, p) numbers.
    """
    own = torch.stack([_hsic(x, x, x.square), _hsic(y, y, y.square)])
    rounding = len(x.diagonal) * torch.finfo(own.dtype).eps * torch.stack([x.square, y.square])
    if not bool((own > rounding).all()):
        raise nothing_varies("nothing is left of the activations without their bias: all samples are equally far apart")
    return _hsic(x, y, common) / own.sqrt().prod()


def _hsic(x: Centred, y: Centred, common: Tensor) -> Tensor:
    """n(n − 3) HSICᵤ: Song's equation 5 for centred K and L, whose rows sum to 0 before their diagonals go."""
    k, m, n = x.diagonal, y.diagonal, len(x.diagonal)
    return common - n / (n - 2) * (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2))


def _check(square: Tensor) -> None:
    if not square > 0:
        raise nothing_varies()
