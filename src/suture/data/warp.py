"""Small rotations, shifts, scalings and shears of images, as one resampling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DEGREES = 10.0
SHEAR = 5.0
SHIFT = 0.05
SCALE = 0.05


@dataclass(frozen=True, eq=False)
class Warp:
    """For n images: ``turn`` and ``shear`` in radians (n,), ``scale`` (n,), ``shift`` (2, n) in sides down and right.

    An image is sheared along its rows, turned clockwise about its centre, scaled, and shifted, in this order:
    what torchvision's ``affine`` does.
    """

    turn: Tensor
    shear: Tensor
    scale: Tensor
    shift: Tensor

    def of(self, indices: Tensor | slice) -> "Warp":
        """The warps of some of the images."""
        return Warp(self.turn[indices], self.shear[indices], self.scale[indices], self.shift[:, indices])


def draw_warp(n: int, kinds: Sequence[str], generator: torch.Generator) -> Warp | None:
    """``rotate``: by up to 10 degrees. ``affine``: shifted by up to 5 % of each side, scaled by as much, sheared by
    up to 5 degrees. All uniform. None where neither is asked for.
    """

    def uniform(kind: str, most: float, *shape: int) -> Tensor:
        return most * (2 * torch.rand(shape, generator=generator) - 1) if kind in kinds else torch.zeros(shape)

    if not {"rotate", "affine"} & set(kinds):
        return None
    turn = uniform("rotate", math.radians(DEGREES), n)
    shear = uniform("affine", math.radians(SHEAR), n)
    return Warp(turn, shear, 1 + uniform("affine", SCALE, n), uniform("affine", SHIFT, 2, n))


def warp(images: Tensor, changes: Warp) -> Tensor:
    """Images (n, c, H, W) of any type, resampled bilinearly; black where the image ends."""
    if not len(images):
        return images
    height, width = images.shape[-2:]
    cos, sin, slope = changes.turn.cos(), changes.turn.sin(), changes.shear.tan()
    down, right = changes.shift[0] * height, changes.shift[1] * width
    # From where in the image, in pixels from its centre, each pixel comes: the inverse of turn · shear · scale.
    inverse = torch.stack([cos - slope * sin, sin + slope * cos, -sin, cos], 1).view(-1, 2, 2)
    inverse = inverse / changes.scale.view(-1, 1, 1)
    origin = -inverse @ torch.stack([right, down], 1)[:, :, None]
    half = torch.tensor([width / 2, height / 2])
    matrix = torch.cat([inverse * half / half[:, None], origin / half[:, None]], 2)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    floats = images.float() if not images.is_floating_point() else images
    found = F.grid_sample(floats, grid.to(floats.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)
    return found if images.is_floating_point() else found.round().clamp(0, 255).to(images.dtype)
