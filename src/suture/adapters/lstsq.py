"""Centred least squares from sums: y ≈ W x + b.

The normal equations want their sums in float64: a Gram matrix squares the condition number. Between two trained
Tiny10 networks, products in float32 take half the time, and put the maps out by 3e-6 in the median pair of cuts but
by 4e-2 in the worst (bn1 to bn8); in float64 the worst is 3e-9.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from suture.adapters.sums import FLOAT32_EPS, Sums, narrow, residual


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues (p,), those that are only rounding set to 0, and eigenvectors (p, p) of a centred Gram."""

    values: Tensor
    vectors: Tensor

    @property
    def rank(self) -> int:
        return int((self.values > 0).sum())


def decompose(sums: Sums) -> Spectrum:
    """The spectrum of the one source's centred Gram matrix.

    An eigenvalue counts as 0 when float32 activations could not carry it: at most ε² of the largest channel's
    sum of squares, mean included (ε = 2⁻²³), or p · 2⁻⁵² of the largest eigenvalue.
    """
    centred = sums.centred_gram
    values, vectors = torch.linalg.eigh(centred)
    energy = (centred.diagonal() + sums.mass * sums.x_mean.square()).max()
    rounding = torch.maximum(FLOAT32_EPS**2 * energy, len(centred) * torch.finfo(values.dtype).eps * values[-1])
    return Spectrum(torch.where(values > rounding, values, 0.0), vectors)


def solve(
    sums: Sums, ridge: float = 0.0, spectrum: Spectrum | None = None, rank: int | None = None
) -> tuple[Tensor, Tensor, float]:
    """W (q, p), b (q,) and the share of y's variance that is left, 1 − R², in [0, 1].

    Minimises Σ ‖y − W x − b‖² + ridge · ‖W‖² over the n rows of one source: ``ridge`` is absolute, so its
    effect shrinks as rows are added, and b is not penalised. Without ridge, the solution of minimum norm.
    Weights of the rows count as if their mean were 1. ``spectrum``, from :func:`decompose`, saves computing it again
    for another target. A constant y leaves 0.

    With ``rank``, the best W of at most that rank: W's outputs projected on the first principal directions of the
    fitted values (Izenman 1975, "Reduced-rank regression for the multivariate linear model", with the identity as
    weight; with ridge, Mukherjee & Zhu 2011, "Reduced rank ridge regression and its kernel extensions").

    Needs at least one row.
    """
    spectrum = spectrum or decompose(sums)
    kept = spectrum.values > 0
    vectors = spectrum.vectors[:, kept]
    values = spectrum.values[kept, None]
    penalty = ridge * sums.mass / sums.n
    cross = vectors.T @ sums.centred_cross
    turned = cross / (values + penalty)
    if rank is not None:
        fitted = turned * (values + penalty).sqrt()  # the Gram matrix of which is that of the fitted values
        leading = torch.linalg.svd(fitted, full_matrices=False).Vh[:rank]
        turned = turned @ leading.T @ leading
    weight = (vectors @ turned).T
    bias = sums.y_mean - weight @ sums.x_mean
    variance = sums.centred_squares.sum()
    # here, not by residual(): where W is large, its products with the Gram matrix cancel
    explained = (turned * (2 * cross - values * turned)).sum()
    left = float((1 - explained / variance).clamp(0, 1)) if variance > 0 else 0.0
    return weight, bias, left


def solve_within(sums: Sums, mask: Tensor, ridge: float = 0.0) -> tuple[Tensor, Tensor, float]:
    """As :func:`solve`, of the maps that are zero where ``mask`` (q, p) is False.

    Each target channel is a regression on the source channels it may read; of one alone, covariance over variance.
    """
    weight = sums.cross.new_zeros(mask.shape)
    patterns, which = mask.unique(dim=0, return_inverse=True)
    for number, allowed in enumerate(patterns):
        channels, targets = allowed.nonzero()[:, 0], (which == number).nonzero()[:, 0]
        if len(channels):
            weight[targets[:, None], channels] = solve(narrow(sums, channels, targets), ridge)[0]
    bias = sums.y_mean - weight @ sums.x_mean
    return weight, bias, residual(sums, weight, bias)
