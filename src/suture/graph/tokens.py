"""Which tokens are the cells of which grid: seen from the maps that come before them."""

from typing import Final

from suture.spec.cut import Cut, Layout

MOST_EXTRA: Final = 16
MOST_SHRINK: Final = 8


def cells(shape: tuple[int, ...], layout: Layout, last: Cut | None) -> tuple[Layout, tuple[int, int] | None]:
    """The layout of tokens of ``shape``, and the grid whose cells they are, where ``last`` shows it.

    ``last`` is the latest earlier cut that has a grid. Its cells may have got up to 16 class and register tokens in
    front, or have been pooled by a whole factor. Tokens with as many channels as ``last``, first, are NCL.
    """
    if len(shape) != 2 or last is None or last.grid is None:
        return layout, None
    height, width = last.grid
    if shape == (last.channels, height * width) != shape[::-1]:
        return Layout.NCL, last.grid
    tokens = shape[1] if layout is Layout.NCL else shape[0]
    for factor in range(1, MOST_SHRINK + 1):
        grid = -(-height // factor), -(-width // factor)
        if grid[0] * grid[1] > 1 or factor == 1:
            extra = tokens - grid[0] * grid[1]
            if 0 <= extra <= (MOST_EXTRA if factor == 1 else last.extra or 0):
                return layout, grid
    return layout, None
