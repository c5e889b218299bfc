"""Any layout as channels over a grid, with any number of extra tokens beside it, and back.

Every layout is a case of one: a map is a grid, tokens are a flattened grid (row by row) that may have extra
tokens (class, registers) in front, a vector is a grid of one position.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from suture.spec.cut import Cut, Layout


@dataclass(frozen=True)
class Frame:
    """The positions of one activation: a grid of (height, width), behind ``extra`` tokens.

    ``loose`` marks tokens of no known grid: theirs reads (tokens, 1) and only their order counts. ``nest`` are
    the axes of tokens that have more than one, as (blocks, tokens) in a nested transformer.
    """

    grid: tuple[int, int]
    extra: int = 0
    loose: bool = False
    nest: tuple[int, ...] = ()

    @property
    def cells(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def positions(self) -> int:
        return self.cells + self.extra


def frame_of(cut: Cut, other: Cut) -> Frame:
    """The frame of ``cut``, where ``other``, the cut it is joined with, may say how tokens lie in a grid.

    A known grid counts. Else L tokens are a guess: the other's grid, or else the largest square that is not
    larger than L, behind a few extra tokens; else they are loose. A few is at most 16 and an eighth of the
    cells, as more is likelier another grid, but 1 for the class token always, and as many as the other has.
    Nested tokens of no known grid are loose: they seldom lie row by row.
    """
    if cut.layout is Layout.NC:
        return Frame((1, 1))
    nest = _token_axes(cut)
    if cut.grid is not None:
        return Frame(cut.grid, cut.extra or 0, nest=nest)
    length, side = cut.positions, math.isqrt(cut.positions)
    for grid in [other.grid, (side, side)] if not nest else []:
        if grid is not None:
            cells = grid[0] * grid[1]
            few = max(1, min(16, cells // 8), other.extra or 0)
            if 0 <= length - cells <= few:
                return Frame(grid, length - cells)
    return Frame((length, 1), loose=True, nest=nest)


def to_grid(x: Tensor, layout: Layout, frame: Frame) -> tuple[Tensor, Tensor | None]:
    """An activation as (N, C, H, W), and its extra tokens as (N, C, extra) where it has any."""
    if layout is Layout.NCHW:
        return x, None
    if layout is Layout.NHWC:
        return x.permute(0, 3, 1, 2), None
    if layout is Layout.NC:
        return x[:, :, None, None], None
    tokens = (x if layout is Layout.NCL else x.movedim(-1, 1)).flatten(2)
    if frame.extra:
        return tokens[:, :, frame.extra :].unflatten(2, frame.grid), tokens[:, :, : frame.extra]
    return tokens.unflatten(2, frame.grid), None


def from_grid(grid: Tensor, extra: Tensor | None, layout: Layout, frame: Frame) -> Tensor:
    """The inverse of :func:`to_grid`; a vector needs a grid of one position. Only tokens keep the extra ones."""
    if layout is Layout.NCHW:
        return grid
    if layout is Layout.NHWC:
        return grid.permute(0, 2, 3, 1)
    if layout is Layout.NC:
        return grid[:, :, 0, 0]
    tokens = grid.flatten(2)
    if extra is not None:
        tokens = torch.cat([extra, tokens], 2)
    if frame.nest:
        tokens = tokens.unflatten(2, frame.nest)
    return tokens if layout is Layout.NCL else tokens.movedim(1, -1)


def to_rows(x: Tensor, layout: Layout) -> Tensor:
    """An activation as a matrix (N · positions, C), extra tokens before the grid of their image."""
    if layout in (Layout.NCHW, Layout.NCL):
        x = x.movedim(1, -1)
    return x.reshape(-1, x.shape[-1])


def _token_axes(cut: Cut) -> tuple[int, ...]:
    """The axes of tokens that have more than one."""
    if cut.layout not in (Layout.NLC, Layout.NCL):
        return ()
    axes = cut.shape[1:] if cut.layout is Layout.NCL else cut.shape[:-1]
    return axes if len(axes) > 1 else ()
