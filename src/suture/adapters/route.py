"""How the positions of one cut become the positions of another.

Every output position is a weighted mean of input positions, the weights summing to 1. So moving commutes with
any affine map of the channels, and is done where there are fewer positions.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.graph.frames import Frame, frame_of, from_grid, to_grid, to_rows
from suture.spec.adapter import Resample
from suture.spec.cut import Cut, Layout

HALF = frozenset((torch.float16, torch.bfloat16))


@dataclass(frozen=True)
class Route:
    """From one layout and frame to another; calling it moves an activation.

    - Equal layouts and frames: the activation itself, untouched.
    - To a single position: the mean over all positions, extra tokens among them.
    - From a single position: the same value everywhere.
    - Grid to grid: bilinear, corners not aligned, antialiased only when a side shrinks; or ``nearest``, which
      takes the nearest pixel centre. To a grid of one cell: the mean.
    - Loose tokens, on either side: the same along one axis, the cells of the other grid taken row by row.
    - Extra tokens go over in order, as many as both sides have; what the source has more is dropped, what the
      target has more is the mean over the source's grid.
    """

    layout: Layout
    frame: Frame
    target_layout: Layout
    target_frame: Frame
    resample: Resample = "bilinear"

    @property
    def reduces(self) -> bool:
        return self.target_frame.cells < self.frame.cells

    def __call__(self, x: Tensor) -> Tensor:
        if (self.layout, self.frame) == (self.target_layout, self.target_frame):
            return x
        grid, extra = to_grid(x, self.layout, self.frame)
        return from_grid(self._cells(grid, extra), self._extra(grid, extra), self.target_layout, self.target_frame)

    def _cells(self, grid: Tensor, extra: Tensor | None) -> Tensor:
        if self.target_layout is Layout.NC or self.target_frame.positions == 1 < self.frame.positions:
            everything = grid.flatten(2) if extra is None else torch.cat([extra, grid.flatten(2)], 2)
            return everything.mean(2)[:, :, None, None]
        if not (self.frame.loose or self.target_frame.loose):
            return _resized(grid, self.frame.grid, self.target_frame.grid, self.resample)
        order = grid.flatten(2).unsqueeze(2)
        order = _resized(order, (1, self.frame.cells), (1, self.target_frame.cells), self.resample)
        return order.reshape(*order.shape[:2], *self.target_frame.grid)

    def _extra(self, grid: Tensor, extra: Tensor | None) -> Tensor | None:
        wanted, parts = self.target_frame.extra, []
        if wanted and extra is not None:
            parts.append(extra[:, :, :wanted])
        if wanted > self.frame.extra:
            parts.append(grid.flatten(2).mean(2, keepdim=True).expand(-1, -1, wanted - self.frame.extra))
        return torch.cat(parts, 2) if parts else None

    def rows(self, x: Tensor) -> Tensor:
        """The activation at the target's positions, as a matrix (N · positions, C)."""
        return to_rows(self(x), self.target_layout)


def route(source: Cut, target: Cut, resample: Resample = "bilinear") -> Route:
    """The route between two cuts: there is one for every pair.

    With ``none`` a grid or a number of tokens stays as it is, and only layout and extra tokens follow the
    target. Resampled, bilinearly, is still what cannot stay: to or from a vector, loose tokens to a map, and to
    nested tokens from anything else.
    """
    frame, target_frame = frame_of(source, target), frame_of(target, source)
    if resample == "none":
        target_frame = _kept(source, frame, target, target_frame)
    return Route(source.layout, frame, target.layout, target_frame, resample)


def fitting_route(source: Cut, target: Cut, resample: Resample = "bilinear") -> Route:
    """The route a fit takes: where nothing is resampled later, bilinear, as a fit needs equal positions."""
    return route(source, target, "bilinear" if resample == "none" else resample)


def _kept(source: Cut, frame: Frame, target: Cut, wanted: Frame) -> Frame:
    """The target's frame, of a decoder that takes any: the source's grid where the layout can hold it."""
    if Layout.NC in (source.layout, target.layout):
        return wanted
    if wanted.nest:
        return frame if source.layout is target.layout and len(frame.nest) == len(wanted.nest) else wanted
    if wanted.loose:  # nobody knows which of its tokens are extra, so all go over
        return replace(frame, nest=())
    if frame.loose and target.layout in (Layout.NCHW, Layout.NHWC):
        return wanted
    return replace(wanted, grid=frame.grid, loose=frame.loose)


def _resized(grid: Tensor, before: tuple[int, int], after: tuple[int, int], resample: Resample) -> Tensor:
    """(N, C, H, W) from the one size to the other. Where they are equal the grid may have any size."""
    if before == after:
        return grid
    if after == (1, 1):
        return grid.mean((2, 3), keepdim=True)
    if before == (1, 1):
        return grid.expand(-1, -1, *after)
    if resample == "nearest":
        return F.interpolate(grid, after, mode="nearest-exact")
    if all(new >= old for old, new in zip(before, after, strict=True)):
        return F.interpolate(grid, after, mode="bilinear", align_corners=False)
    if after[1] == 1:  # torch 2.15 antialiases to one column wrongly on the CPU, to one row rightly
        return _resized(grid.transpose(2, 3), before[::-1], after[::-1], resample).transpose(2, 3)
    wide = grid.float() if grid.dtype in HALF else grid  # the CPU's antialiasing knows no half precision
    return F.interpolate(wide, after, mode="bilinear", align_corners=False, antialias=True).to(grid.dtype)
