"""Any layout as channels over a grid, with at most one class token beside it, and back.

Every layout is a case of one: a map is a grid, tokens are a flattened grid (row by row) that may have a class
token in front, a vector is a grid of one position.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from suture.spec.cut import Cut, Layout


@dataclass(frozen=True)
class Frame:
    """The positions of one activation: a grid of (height, width), and whether a class token comes first.

    ``loose`` marks tokens whose number fits no known grid; their grid reads (tokens, 1) and only their order
    counts.
    """

    grid: tuple[int, int]
    token: bool = False
    loose: bool = False

    @property
    def positions(self) -> int:
        return self.grid[0] * self.grid[1] + self.token


def frame_of(cut: Cut, other: Cut) -> Frame:
    """The frame of ``cut``, where ``other``, the cut it is joined with, may say how tokens lie in a grid.

    L tokens are the other's grid if it has L positions, or L − 1 and a class token; else a square grid if L
    or L − 1 is a perfect square; else loose.
    """
    if cut.grid is not None:
        return Frame(cut.grid)
    if cut.layout is Layout.NC:
        return Frame((1, 1))
    length = cut.shape[0]
    known = [(other.grid, token) for token in (False, True) if other.grid]
    square = [((math.isqrt(length - token),) * 2, token) for token in (False, True)]
    for grid, token in known + square:
        if 0 < grid[0] * grid[1] == length - token:
            return Frame(grid, token)
    return Frame((length, 1), loose=True)


def to_grid(x: Tensor, layout: Layout, frame: Frame) -> tuple[Tensor, Tensor | None]:
    """An activation as (N, C, H, W), and its class token as (N, C, 1) where it has one."""
    if layout is Layout.NCHW:
        return x, None
    if layout is Layout.NHWC:
        return x.permute(0, 3, 1, 2), None
    if layout is Layout.NC:
        return x[:, :, None, None], None
    channels_first = x.transpose(1, 2)
    if frame.token:
        return torch.unflatten(channels_first[:, :, 1:], 2, frame.grid), channels_first[:, :, :1]
    return torch.unflatten(channels_first, 2, frame.grid), None


def from_grid(grid: Tensor, token: Tensor | None, layout: Layout) -> Tensor:
    """The inverse of :func:`to_grid`; a vector needs a grid of one position. Only tokens keep the token."""
    if layout is Layout.NCHW:
        return grid
    if layout is Layout.NHWC:
        return grid.permute(0, 2, 3, 1)
    if layout is Layout.NC:
        return grid[:, :, 0, 0]
    tokens = grid.flatten(2).transpose(1, 2)
    return tokens if token is None else torch.cat([token.transpose(1, 2), tokens], 1)


def to_rows(x: Tensor, layout: Layout) -> Tensor:
    """An activation as a matrix (N · positions, C), a class token before the grid of its image."""
    if layout is Layout.NCHW:
        x = x.permute(0, 2, 3, 1)
    return x.reshape(-1, x.shape[-1])
