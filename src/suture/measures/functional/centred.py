"""Centred activations, and the inner products of their Gram matrices."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Centred:
    """X (n, d) less the mean of each column, times one number: as ``rows`` where d ≤ n, else as ``gram`` = XXᵀ."""

    rows: Tensor | None
    gram: Tensor | None

    @cached_property
    def square(self) -> Tensor:
        """‖XXᵀ‖² (Frobenius)."""
        return inner(self, self)

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
        return Centred(torch.cat(list(blocks(X, dtype)), 1), None)
    gram = X.new_zeros((), dtype=dtype)
    for block in blocks(X, dtype):
        gram = gram + block @ block.T
    return Centred(None, gram)


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


def blocks(X: Tensor, dtype: torch.dtype) -> Iterator[Tensor]:
    """Some columns of X (n, d) after the other, centred, in units of the largest distance of any entry to the first.

    One scale for all of X: activations of 1e-12 and of 1e12 give the same. Distances to the first row are exact where
    a column is constant, which a mean, rounded, is not. Memory beside X is that of one block in ``dtype``.
    """

    def shifted() -> Iterator[Tensor]:
        for block in X.split(BLOCK, 1):
            block = block.to(dtype)
            yield block - block[:1]

    scale = torch.stack([block.detach().abs().amax() for block in shifted()]).amax()
    scale = torch.where(scale > 0, scale, 1)
    for block in shifted():
        block = block / scale
        yield block - block.mean(0)
