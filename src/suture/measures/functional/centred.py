"""Centred activations, and the inner products of their Gram matrices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Centred:
    """X (n, d) less the mean of each column, times one number: as ``rows`` where d ≤ n, else as ``gram`` = XXᵀ.

    ``square`` is ‖XXᵀ‖² (Frobenius).
    """

    rows: Tensor | None
    gram: Tensor | None
    square: Tensor

    @cached_property
    def diagonal(self) -> Tensor:
        """The squared norm of each row, (n,)."""
        if self.rows is not None:
            return self.rows.square().sum(1)
        assert self.gram is not None
        return self.gram.diagonal()


def centred(X: Tensor, dtype: torch.dtype = torch.float64) -> Centred:
    """X (n, d) centred and scaled. Differentiable; the scale counts as a constant."""
    n, d = X.shape
    if d <= n:
        rows = torch.cat(list(blocks(X, dtype)), 1)
        return Centred(rows, None, (rows.T @ rows).square().sum())
    gram = X.new_zeros((), dtype=dtype)
    for block in blocks(X, dtype):
        gram = gram + block @ block.T
    return Centred(None, gram, gram.square().sum())


def inner(a: Centred, b: Centred) -> Tensor:
    """⟨XXᵀ, YYᵀ⟩ = ‖XᵀY‖², whichever way takes less."""
    if a.rows is not None and b.rows is not None:
        return (a.rows.T @ b.rows).square().sum()
    if a.gram is not None and b.gram is not None:
        return (a.gram * b.gram).sum()
    rows, gram = (a.rows, b.gram) if a.rows is not None else (b.rows, a.gram)
    assert rows is not None
    assert gram is not None
    return (gram @ rows * rows).sum()


def permuted(x: Centred, order: Tensor) -> Centred:
    """Of X[order]."""
    rows = None if x.rows is None else x.rows[order]
    return Centred(rows, None if x.gram is None else x.gram[order][:, order], x.square)


def unit(X: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """The largest distance of any entry of X (n, d) to the first of its column; 1 where all rows are the same."""
    scale = torch.stack([block.detach().abs().amax() for block in _shifted(X, dtype)]).amax()
    return torch.where(scale > 0, scale, 1)


def blocks(X: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """Some columns of X (n, d) after the other, centred, in units of ``unit(X)``.

    One scale for all of X: activations of 1e-12 and of 1e12 give the same. Memory beside X is that of one block in
    ``dtype``.
    """
    scale = unit(X, dtype)
    for block in _shifted(X, dtype):
        block = block / scale
        yield block - block.mean(0)


def _shifted(X: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """Distances to the first row are exactly 0 where a column is constant; to a mean, rounded, they are not."""
    for block in X.split(BLOCK, 1):
        block = block.to(dtype)
        yield block - block[:1]
