"""How the positions of one cut become the positions of another.

Every output position is a weighted mean of input positions, the weights summing to 1. So moving commutes with
any affine map of the channels, and is done where there are fewer positions.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.adapters.layouts import Frame, frame_of, from_grid, to_grid, to_rows
from suture.errors import AdapterError
from suture.spec.adapter import Resample
from suture.spec.cut import Cut, Layout

HALF = frozenset((torch.float16, torch.bfloat16))


@dataclass(frozen=True)
class Route:
    """From one layout and frame to another; calling it moves an activation.

    - Equal layouts and frames: the activation itself, untouched.
    - To a single position: the mean over all positions, a class token among them.
    - From a single position: the same value everywhere.
    - Grid to grid: bilinear, corners not aligned, antialiased only when a side shrinks; or ``nearest``, which
      takes the nearest pixel centre.
    - A class token goes to the class token, is dropped where the target has none, and is the mean over the
      grid where the source has none.
    """

    layout: Layout
    frame: Frame
    target_layout: Layout
    target_frame: Frame
    resample: Resample = "bilinear"

    @property
    def reduces(self) -> bool:
        return self.target_frame.positions < self.frame.positions

    def __call__(self, x: Tensor) -> Tensor:
        if (self.layout, self.frame) == (self.target_layout, self.target_frame):
            return x
        grid, token = to_grid(x, self.layout, self.frame)
        moved = self._move(grid, token)
        if not self.target_frame.token:
            token = None
        elif token is None:
            token = grid.flatten(2).mean(2, keepdim=True)
        return from_grid(moved, token, self.target_layout)

    def _move(self, grid: Tensor, token: Tensor | None) -> Tensor:
        size = self.target_frame.grid
        if self.frame.grid == size and (size != (1, 1) or token is None):
            return grid
        if size == (1, 1):
            everything = grid.flatten(2) if token is None else torch.cat([token, grid.flatten(2)], 2)
            return everything.mean(2)[:, :, None, None]
        if self.frame.grid == (1, 1):
            return grid.expand(-1, -1, *size)
        if self.resample == "nearest":
            return F.interpolate(grid, size, mode="nearest-exact")
        if all(after >= before for before, after in zip(self.frame.grid, size, strict=True)):
            return F.interpolate(grid, size, mode="bilinear", align_corners=False)
        wide = grid.float() if grid.dtype in HALF else grid  # the CPU's antialiasing knows no half precision
        return F.interpolate(wide, size, mode="bilinear", align_corners=False, antialias=True).to(grid.dtype)

    def rows(self, x: Tensor) -> Tensor:
        """The activation at the target's positions, as a matrix (N · positions, C)."""
        return to_rows(self(x), self.target_layout)


def route(source: Cut, target: Cut, resample: Resample = "bilinear") -> Route:
    """The route between two cuts.

    With ``none`` a grid keeps its size (only layout and class token follow the target); a vector, which has
    no grid, is still pooled to or spread out.

    Raises AdapterError when tokens that fit no grid meet other positions.
    """
    frame, target_frame = frame_of(source, target), frame_of(target, source)
    vector = Layout.NC in (source.layout, target.layout)
    if frame.loose or target_frame.loose:
        if resample == "none" and source.layout is target.layout:
            target_frame = frame
        elif not vector and frame != target_frame:
            raise AdapterError(
                f"no grid leads from {source} to {target}",
                expected="tokens that fill the other cut's grid or a square, with at most one class token, "
                "or as many tokens on both sides, or a vector",
                instead="another pair of cuts with --at (`suture layers NETWORK` lists them)",
            )
    elif resample == "none" and not vector:
        target_frame = replace(target_frame, grid=frame.grid)
    return Route(source.layout, frame, target.layout, target_frame, resample)


def fitting_route(source: Cut, target: Cut, resample: Resample = "bilinear") -> Route:
    """The route a fit takes: where nothing is resampled later, bilinear, as a fit needs equal positions."""
    return route(source, target, "bilinear" if resample == "none" else resample)
