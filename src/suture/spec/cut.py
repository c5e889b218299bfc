"""A place where one tensor separates a network's input from its output."""

from dataclasses import dataclass
from enum import StrEnum
from math import prod


class Layout(StrEnum):
    """What the axes of an activation mean: N images, C channels, H x W grid, L tokens."""

    NCHW = "NCHW"
    NHWC = "NHWC"
    NLC = "NLC"
    NCL = "NCL"
    NC = "NC"


@dataclass(frozen=True)
class Cut:
    """One legal cut of one network.

    ``shape`` leaves out the batch axis. ``stride`` is the number of input rows per row of the grid (None where
    there is no grid). ``cells``, of tokens only, is the height and width of the grid whose cells they are, row by
    row, behind any class and register tokens; None where the network does not show it. Parameters are counted
    once, where they are first used; MACs are multiply-accumulates for one image. ``aliases`` are other names that
    mean the same place. ``block`` says whether the cut is in the default list.
    """

    name: str
    layout: Layout
    shape: tuple[int, ...]
    stride: float | None
    params_before: int
    params_after: int
    macs_before: int
    macs_after: int
    aliases: tuple[str, ...] = ()
    block: bool = True
    cells: tuple[int, int] | None = None

    @property
    def channels(self) -> int:
        return self.shape[0] if self.layout in (Layout.NCHW, Layout.NCL) else self.shape[-1]

    @property
    def grid(self) -> tuple[int, int] | None:
        """Height and width of a map, or of the grid of tokens where it is known; None for vectors."""
        if self.layout is Layout.NCHW:
            return self.shape[1], self.shape[2]
        if self.layout is Layout.NHWC:
            return self.shape[0], self.shape[1]
        return self.cells

    @property
    def extra(self) -> int | None:
        """Class and register tokens before the cells; None where the grid of the tokens is not known."""
        if self.cells is None:
            return None
        return self.positions - self.cells[0] * self.cells[1]

    @property
    def positions(self) -> int:
        """Places where the channels stand: cells of a grid, tokens, or one."""
        return prod(self.shape) // self.channels

    def __str__(self) -> str:
        return f"{self.name} ({self.layout} {'x'.join(map(str, self.shape))})"
