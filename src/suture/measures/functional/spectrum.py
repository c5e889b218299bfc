"""The singular value decomposition of centred activations, and the cosines between what two of them span."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from suture.measures.functional.centred import blocks, unit
from suture.measures.measure import Family, nothing_varies

EPS = torch.finfo(torch.float64).eps
# A variance of 1e-12 of the largest is a deviation of 1e-6 of it: of float32 activations hardly more than the rounding,
# and above what float64 sums over very many rows and the eigenvalues of up to 4,500 columns are off by.
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Centred X (n, d) = U diag(s) Vᵀ of rank r: ``u`` (n, r), ``s`` (r,) falling, in units of X, ``v`` (d, r).

    ``v`` is None of a matrix of more columns than rows, ``u`` of one that is known by its second moments.
    """

    u: Tensor | None
    s: Tensor
    v: Tensor | None

    @cached_property
    def norm(self) -> Tensor:
        """‖X‖ (Frobenius), in units of X."""
        found: Tensor = self.s[0] * (self.s / self.s[0]).norm()
        return found

    @cached_property
    def shape(self) -> Tensor:
        """The singular values of X / ‖X‖."""
        return self.s / self.norm

    def leading(self, share: float) -> int:
        """The fewest directions that hold this share of the variance."""
        held = self.shape.square().cumsum(0)
        return int((held < share * held[-1]).sum()) + 1


@dataclass(frozen=True, eq=False)
class Cosines:
    """``matrix`` = UₓᵀUᵧ (rank of X, rank of Y), and what several measures want of it."""

    matrix: Tensor
    x: Spectrum
    y: Spectrum

    @cached_property
    def correlations(self) -> Tensor:
        """The canonical correlations, as many as the smaller rank, falling. The cosine of no angle is above 1."""
        found: Tensor = torch.linalg.svdvals(self.matrix).clamp(max=1)
        return found

    @cached_property
    def svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """(A (rank of X, m), the m correlations, Bᵀ (m, rank of Y)): canonical variates are UₓA and UᵧB."""
        a, correlations, b = torch.linalg.svd(self.matrix, full_matrices=False)
        return a, correlations.clamp(max=1), b

    @cached_property
    def alignment(self) -> Tensor:
        """‖XᵀY‖∗, the sum of the singular values, of X and Y centred and of Frobenius norm 1; in [0, 1]."""
        product = self.x.shape[:, None] * self.matrix * self.y.shape
        found: Tensor = torch.linalg.svdvals(product).sum().clamp(max=1)
        return found


def prepare(X: Tensor) -> Spectrum:
    """The spectrum of X (n, d), in float64; of a wide one by a QR of the transpose, a block of columns at a time.

    What is no more than the rounding of X's own type does not count as a direction. Raises MeasureError where all
    rows are the same.
    """
    n, d = X.shape
    if d <= n:
        u, s, v = torch.linalg.svd(torch.cat(list(blocks(X, torch.float64)), 1), full_matrices=False)
    else:
        triangle = X.new_zeros((0, n), dtype=torch.float64)
        for block in blocks(X, torch.float64):
            triangle = torch.linalg.qr(torch.cat([triangle, block.T]), mode="r").R
        u, s, _ = torch.linalg.svd(triangle.T)
        v = None
    if not s[0] > 0:
        raise nothing_varies()
    own = torch.finfo(X.dtype).eps if X.is_floating_point() else 0.0
    rank = int((s > max(own, max(n, d) * EPS) * s[0]).sum())
    return Spectrum(u[:, :rank], s[:rank] * unit(X), None if v is None else v[:rank].T)


def settle(products: Tensor) -> Spectrum:
    """The spectrum by XᵀX (d, d) of the centred columns, in float64.

    Squares have half the digits: directions of less than 1e-6 of the largest deviation do not count (LEAST_VARIANCE).
    Raises MeasureError where nothing varies.
    """
    variances, v = torch.linalg.eigh(products)
    if not variances[-1] > 0:
        raise nothing_varies()
    rank = int((variances > max(LEAST_VARIANCE, len(products) * EPS) * variances[-1]).sum())
    return Spectrum(None, variances[-rank:].flip(0).sqrt(), v[:, -rank:].flip(1))


def relate(x: Spectrum, y: Spectrum) -> Cosines:
    assert x.u is not None
    assert y.u is not None
    return Cosines(x.u.T @ y.u, x, y)


def cross(x: Spectrum, y: Spectrum, products: Tensor) -> Cosines:
    """By XᵀY (p, q) of the centred columns: Uₓ = XVₓ / sₓ."""
    assert x.v is not None
    assert y.v is not None
    return Cosines((x.v / x.s).T @ products @ (y.v / y.s), x, y)


def permuted(x: Spectrum, order: Tensor) -> Spectrum:
    """Of X[order]."""
    assert x.u is not None
    return Spectrum(x.u[order], x.s, x.v)


SPECTRUM = Family(
    prepare=prepare,
    relate=relate,
    permuted=permuted,
    size=lambda n, d: 8 * min(n, d) * (n + (d if d <= n else 0)),
    settle=settle,
    cross=cross,
)
