"""Canonical correlation analysis (CCA): which subspaces of the samples two matrices share."""

from torch import Tensor

from suture.errors import MeasureError
from suture.measures.functional.spectrum import SPECTRUM, Cosines, Spectrum
from suture.measures.measure import LINEAR, Invariance, register

# Correlations that are 1 but for rounding.
SAME = 1e-9
# Where all are as near to 1, weights matter no more than this. Second moments of directions of very different variances
# are off by so much at most.
NEAR = 1e-4
SCALED: tuple[Invariance, ...] = ("translation", "isotropic scaling")


@register("cca_mean", SPECTRUM, higher_is_more_similar=True, invariances=LINEAR, narrow=("x", "y"), streams="moments")
def mean_correlation(_x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """The mean of the canonical correlations of X (n, p) and Y (n, q), as many as the smaller of their ranks.

    The correlations are the singular values of QₓᵀQᵧ, with orthonormal bases of the centred columns. Range [0, 1], 1
    where one's span holds the other's. Invariances: translation and any invertible linear map. Raghu et al. 2017,
    "SVCCA" (arXiv 1706.05806), without its truncation. Limits: a direction of hardly any variance counts as much as
    the greatest, so noise counts; with n < p + q some correlations are 1 whatever the matrices; n ≥ p + 2 and q + 2.
    O(n p²) to prepare, O(n p q + min(p, q)² max(p, q)) a pair.
    """
    return common.correlations.mean()


@register("cca_r2", SPECTRUM, higher_is_more_similar=True, invariances=LINEAR, narrow=("x", "y"), streams="moments")
def mean_square_correlation(_x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """The mean of the squared canonical correlations of X (n, p) and Y (n, q): ‖QₓᵀQᵧ‖² / min(rank X, rank Y).

    Pillai's trace over the smaller rank. Range [0, 1], 1 where one's span holds the other's. Invariances: translation
    and any invertible linear map. Kornblith et al. 2019 (arXiv 1905.00414), R²_CCA. Limits: as of ``cca_mean``;
    unrelated matrices reach max(p, q) / (n − 1). O(n p²) to prepare, O(n p q) a pair and the singular values.
    """
    return common.correlations.square().mean()


@register("svcca_{}", SPECTRUM, higher_is_more_similar=True, streams="moments")
def mean_leading_correlation(x: Spectrum, y: Spectrum, common: Cosines, number: float) -> Tensor:
    """The mean canonical correlation of X (n, p) and Y (n, q), each of its fewest leading directions that hold a share.

    The directions are those of the singular value decomposition of the centred matrix; the share, 0.99 in svcca_0.99,
    is of the sum of squared singular values. Range [0, 1], 1 where one's leading directions span the other's.
    Invariances: translation, isotropic scaling, orthogonal maps. Raghu et al. 2017, "SVCCA" (arXiv 1706.05806). Limits:
    it steps where a direction more is kept; k directions of unrelated matrices reach about √(k / n), and more than
    n − 2 explain everything, which is refused. O(n p min(n, p)) to prepare, O(n p q + k³) a pair.

    Raises MeasureError where the leading directions are more than n − 2.
    """
    k, m = (_few(side, number) for side in (x, y))
    return Cosines(common.matrix[:k, :m], x, y).correlations.mean()


def _few(side: Spectrum, share: float) -> int:
    k = side.leading(share)
    if side.u is not None and k > len(side.u) - 2:
        raise MeasureError(
            f"{share:g} of the variance of {len(side.u)} samples is in {k} directions: so few are always explained",
            expected=f"{len(side.u) - 2} directions at most",
            instead=f"more samples, or a smaller share, such as svcca_{share / 2:g}",
        )
    return k


@register(
    "pwcca_x",
    SPECTRUM,
    higher_is_more_similar=True,
    symmetric=False,
    invariances=SCALED,
    invariances_y=LINEAR,
    narrow=("x", "y"),
    streams="moments",
)
def projection_weighted_x(x: Spectrum, _y: Spectrum, common: Cosines) -> Tensor:
    """Σ aᵢρᵢ / Σ aᵢ of the canonical correlations ρᵢ of X (n, p) and Y (n, q), aᵢ = Σⱼ |⟨hᵢ, xⱼ⟩|.

    hᵢ are the canonical variates of X, of norm 1, xⱼ its centred columns: a correlation counts by how much of X it
    accounts for. Directed. Range [0, 1], 1 where Y's span holds X's. Invariances: translation and isotropic scaling of
    X; translation and any invertible linear map of Y. Morcos, Raghu & Bengio 2018, "Insights on representational
    similarity in neural networks with canonical correlation" (arXiv 1806.05759). Limits: the sum of absolute
    values depends on the basis of X; equal correlations have no weights of their own, so several of 1 and others are
    refused; n ≥ p + 2 and q + 2. O(n p²) to prepare, O(n p q + p² q) a pair.

    Raises MeasureError where more than one correlation, but not all, is 1, as with fewer than p + q samples.
    """
    a, correlations, _ = common.svd
    return _weighted(correlations, a.T, x)


@register(
    "pwcca_y",
    SPECTRUM,
    higher_is_more_similar=True,
    symmetric=False,
    invariances=LINEAR,
    invariances_y=SCALED,
    narrow=("x", "y"),
    streams="moments",
)
def projection_weighted_y(_x: Spectrum, y: Spectrum, common: Cosines) -> Tensor:
    """``pwcca_x`` of Y (n, q) and X (n, p): the weights are those of Y.

    Range [0, 1], 1 where X's span holds Y's. Invariances: translation and any invertible linear map of X; translation
    and isotropic scaling of Y. Morcos et al. 2018 (arXiv 1806.05759). Limits, cost: as of ``pwcca_x``.
    """
    _, correlations, b = common.svd
    return _weighted(correlations, b, y)


def _weighted(correlations: Tensor, variates: Tensor, side: Spectrum) -> Tensor:
    """``variates`` (m, r) are in the basis U of the side, where its columns are diag(s) Vᵀ."""
    assert side.v is not None
    ones = int((correlations > 1 - SAME).sum())
    if 1 < ones < len(correlations) and correlations[-1] < 1 - NEAR:
        raise MeasureError(
            f"{ones} of the {len(correlations)} correlations are 1: no variates, and so no weights, are theirs alone",
            expected="at most one correlation of 1, or all: more samples than features of X and Y together",
            instead="more samples, or cca_mean, which has no weights",
        )
    weights = (variates * side.shape @ side.v.T).abs().sum(1)
    return (weights * correlations).sum() / weights.sum()
