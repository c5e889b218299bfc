"""What a sample is, where an activation is a map: the whole of it, its mean, or one of its positions."""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.graph.frames import Frame, frame_of, to_grid
from suture.spec.compare import SpatialHandling
from suture.spec.cut import Cut, Layout


@dataclass(frozen=True)
class Rows:
    """Activations of a layer (b, ...) as rows of a matrix: ``shape`` is that of one row.

    ``flatten``: every entry of an image is a feature. ``mean``: the mean of each channel over the cells of the grid,
    class and register tokens left out. ``positions``: the channels of the cell that holds a point of the image, so
    that layers of different grids are compared at the same places.
    """

    spatial: SpatialHandling
    shape: tuple[int, ...]
    layout: Layout | None = None
    frame: Frame | None = None

    def __call__(self, value: Tensor, points: Tensor) -> Tensor:
        """Rows (b · k, d), at least in float32, of a value (b, ...) and k points (b, k, 2) of each image, in [0, 1)."""
        value = value.to(torch.promote_types(value.dtype, torch.float32))
        if self.spatial == "flatten":
            return value.flatten(1)
        k = points.shape[1]
        if self.layout is None or self.frame is None:
            return value.repeat_interleave(k, 0) if k > 1 else value
        grid, _ = to_grid(value, self.layout, self.frame)
        if self.spatial == "mean":
            return grid.mean((2, 3))
        size = torch.tensor(grid.shape[2:], device=grid.device)
        row, column = (points.to(grid.device) * size).long().unbind(-1)
        images = torch.arange(len(grid), device=grid.device)[:, None]
        return grid[images, :, row, column].flatten(0, 1)


def rows_of(shape: tuple[int, ...], cut: Cut | None, spatial: SpatialHandling) -> Rows | MeasureError:
    """How a layer of ``shape`` gives rows; why it cannot where it cannot.

    ``cut`` says what its axes mean, None where that is not known.
    """
    if spatial == "flatten" or len(shape) == 1:
        return Rows(spatial, shape)
    frame = frame_of(cut, cut) if cut else None
    if cut is None or frame is None or (frame.loose and spatial == "positions"):
        return MeasureError(
            f"of an activation of shape {'x'.join(map(str, shape))} it is not known which axes are "
            + ("positions" if cut is None else "rows and columns of a grid"),
            expected=f"maps, vectors or tokens, for the spatial handling {spatial!r}",
            instead="--spatial flatten" + (" or mean" if cut else ""),
        )
    return Rows(spatial, (cut.channels,), cut.layout, frame)


def width(rows: Rows) -> int:
    return prod(rows.shape)


def draw_points(spatial: SpatialHandling, images: int, points: int, seed: int) -> Tensor:
    """(images, k, 2) places in [0, 1), the same for every layer; where no positions are asked for, one an image."""
    if spatial != "positions":
        return torch.zeros(images, 1, 2)
    return torch.rand(images, points, 2, generator=torch.Generator().manual_seed(seed))
