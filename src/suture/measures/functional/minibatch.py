"""Minibatch linear CKA: sums of unbiased HSIC over batches, so any number of samples fits the memory.

Nguyen, Raghu & Kornblith 2021, "Do Wide and Deep Networks Learn the Same Things?" (arXiv 2010.15327), eq. 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial

import torch
from torch import Tensor

from suture.measures.functional.centred import blocks
from suture.measures.measure import Family, nothing_varies, register

MOST = 256
LEAST = 4
# What is left of a Gram matrix without its bias counts as nothing below so many roundings of it.
ROUNDINGS = 32


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over batches of HSICᵤ times their rows, (A, B) for pairs, (A,) and (B,) of each with itself.

    ``raw_x`` and ``raw_y`` are the squares of the Gram matrices before they are centred, by which rounding is told.
    """

    xy: Tensor
    xx: Tensor
    yy: Tensor
    raw_x: Tensor
    raw_y: Tensor


def batch_rows(n: int) -> int:
    """Of n rows the size of as few batches of at most 256 as there can be, of as equal size as can be."""
    return -(-n // -(-n // MOST)) if n else MOST


def u_centred(gram: Tensor) -> Tensor:
    """Gram matrices (..., m, m), in place, so that HSICᵤ(K, L) = ⟨K, L⟩ / (m(m − 3)): zero rows, columns and diagonal.

    Székely & Rizzo 2014, "Partial Distance Correlation with Methods for Dissimilarities" (arXiv 1310.2926), eq. 3.1.
    """
    m = gram.shape[-1]
    gram.diagonal(dim1=-2, dim2=-1).zero_()
    rows = gram.sum(-1) / (m - 2)
    rows -= rows.sum(-1, keepdim=True) / (2 * (m - 1))
    gram -= rows[..., :, None]
    gram -= rows[..., None, :]
    gram.diagonal(dim1=-2, dim2=-1).zero_()
    return gram


def update(sums: Sums | None, grams_x: Tensor, grams_y: Tensor, raw_x: Tensor, raw_y: Tensor) -> Sums:
    """One batch of m ≥ 4 rows more: U-centred Gram matrices of A layers (A, m, m), and of B others (B, m, m).

    Products are taken in the type of the matrices, sums in float64. ``raw_x`` (A,), ``raw_y`` (B,) as in ``Sums``.
    """
    x, y = grams_x.flatten(1), grams_y.flatten(1)
    weight = 1 / (grams_x.shape[-1] - 3)
    found = (x @ y.T, x.square().sum(1), y.square().sum(1), raw_x, raw_y)
    added = Sums(*(part.double().cpu() * weight for part in found))
    if sums is None:
        return added
    parts = ((getattr(sums, name), getattr(added, name)) for name in ("xy", "xx", "yy", "raw_x", "raw_y"))
    return Sums(*(before + more for before, more in parts))


def compute(sums: Sums, dtype: torch.dtype = torch.float32) -> Tensor:
    """CKA of every pair (A, B); nan where a layer has nothing but rounding in ``dtype``, or is not finite."""
    return sums.xy / (_norms(sums.xx, sums.raw_x, dtype)[:, None] * _norms(sums.yy, sums.raw_y, dtype))


def _norms(square: Tensor, raw: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(varies(square, raw, dtype), square, torch.nan).sqrt()


def varies(square: Tensor, raw: Tensor, dtype: torch.dtype) -> Tensor:
    """Whether more is left of Gram matrices, U-centred, than their rounding: from the sums of squares of both."""
    return square > (ROUNDINGS * torch.finfo(dtype).eps) ** 2 * raw


@dataclass(frozen=True, eq=False)
class Batched:
    """U-centred Gram matrices (m, m) of the batches of X, one after the other, and the squares before centring."""

    grams: Sequence[Tensor]
    raw: float

    @cached_property
    def square(self) -> Tensor:
        return _inner(self, self)


def prepare(size: int | None, X: Tensor) -> Batched:
    """X (n, d) in batches of ``size`` rows, of ``batch_rows(n)`` for None; up to 3 rows left over are not used.

    Raises MeasureError where all rows are the same, or equally far apart.
    """
    n = len(X)
    size = size or batch_rows(n)
    starts = [start for start in range(0, n, size) if n - start >= LEAST]
    found = [X.new_zeros((len(X[start : start + size]),) * 2, dtype=torch.float64) for start in starts]
    for block in blocks(X, torch.float64):
        for gram, start in zip(found, starts, strict=True):
            rows = block[start : start + size]
            gram += rows @ rows.T
    raw = sum(float((gram.square().sum() - gram.diagonal().square().sum()) / (len(gram) - 3)) for gram in found)
    side = Batched([u_centred(gram) for gram in found], raw)
    if not varies(side.square, torch.tensor(raw), torch.float64):
        raise nothing_varies("of the activations nothing is left without their bias: all samples are equally far apart")
    return side


def _inner(x: Batched, y: Batched) -> Tensor:
    return torch.stack([(a * b).sum() / (len(a) - 3) for a, b in zip(x.grams, y.grams, strict=True)]).sum()


def _permuted(side: Batched, order: Tensor) -> Batched:
    """Of rows that stay in their batch."""
    grams, start = [], 0
    for gram in side.grams:
        own = order[start : start + len(gram)] - start
        grams.append(gram[own][:, own])
        start += len(gram)
    return Batched(grams, side.raw)


@cache
def family(size: float | None) -> Family:
    """Batches of ``size`` rows; None for as equal ones as can be."""
    rows = None if size is None else int(size)
    return Family(
        prepare=partial(prepare, rows),
        relate=_inner,
        permuted=_permuted,
        size=lambda n, _d: 8 * n * (rows or batch_rows(n)),
    )


@register(
    "cka_linear_minibatch_bs{}",
    family,
    higher_is_more_similar=True,
    least=LEAST,
    estimator="minibatch",
    streams="batches",
)
@register(
    "cka_linear_minibatch",
    family(None),
    higher_is_more_similar=True,
    least=LEAST,
    estimator="minibatch",
    streams="batches",
)
def minibatch(x: Batched, y: Batched, common: Tensor) -> Tensor:
    """Σ HSICᵤ(K, L) / √(Σ HSICᵤ(K, K) Σ HSICᵤ(L, L)) over batches of X (n, p) and Y (n, q), K = XXᵀ, L = YYᵀ.

    Nguyen et al. 2021 (arXiv 2010.15327), eq. 3; HSICᵤ is Song et al. 2012, eq. 5. Batches are consecutive rows: of
    exactly so many where the name says so (n must be a multiple), else as few of at most 256 as there can be and as
    equal as can be, of which each counts by its rows, and up to 3 rows left over are not used. Range [−1, 1], below 0
    as often as above for unrelated matrices; it is not cut off at 0. Invariances: translation, isotropic scaling,
    orthogonal maps. Limits: the order of the samples matters a little, as only those of one batch are compared; a ratio
    of unbiased estimates is not itself unbiased; a batch has 4 rows at least. O(n m d) for batches of m rows; sums of
    any number of batches take no more memory than one.
    """
    return common / (x.square * y.square).sqrt()
