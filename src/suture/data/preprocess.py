"""The first module of every loaded network: RGB in [0, 1] of any size to what its body was trained on."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.errors import DataError

Interpolation = Literal["nearest", "bilinear", "bicubic"]


class Preprocess(nn.Module):
    """Resize the short side to ``resize``, crop the centre to ``size``, then ``(x - mean) / std``.

    With ``stretch`` both sides become ``resize``, whatever the shape of the image (timm calls it squash).

    Input (N, 3, H, W) float in [0, 1]; output (N, 3, size, size), or (N, 3, H, W) where ``size`` is None. To the
    pixel what torchvision's presets do with tensors. Images whose short side is ``resize`` are not resampled.
    Raises DataError for anything that is not a float batch of RGB images.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        size: int | None = None,
        resize: int | None = None,
        interpolation: Interpolation = "bilinear",
        stretch: bool = False,
    ) -> None:
        super().__init__()
        self.size = size
        self.resize = resize or size
        self.interpolation = interpolation
        self.stretch = stretch
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise DataError(
                f"the network was given images of shape {tuple(images.shape)} and type {images.dtype}",
                expected="a batch (N, 3, H, W) of RGB images as floats in [0, 1]",
                instead="images.float() / 255 for bytes, images[None] for one image",
            )
        return (self._fit(images) - self.mean) / self.std

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Which part of an image of this size is seen: top, left, bottom, right, as shares of its sides."""
        if self.size is None or self.resize is None:
            return 0.0, 0.0, 1.0, 1.0
        grid = self._grid(height, width)
        top, left = (round((side - self.size) / 2) for side in grid)
        return top / grid[0], left / grid[1], (top + self.size) / grid[0], (left + self.size) / grid[1]

    def _grid(self, height: int, width: int) -> list[int]:
        resize, short = self.resize or 0, min(height, width)
        return [resize if self.stretch else resize * side // short for side in (height, width)]

    def _fit(self, images: Tensor) -> Tensor:
        size = self.size
        if size is None or self.resize is None:
            return images
        grid = self._grid(*images.shape[-2:])
        if grid != list(images.shape[-2:]):
            smooth = self.interpolation != "nearest"
            images = F.interpolate(
                images,
                grid,
                mode=self.interpolation,
                antialias=smooth,
                align_corners=False if smooth else None,
            )
        top, left = (round((side - size) / 2) for side in images.shape[-2:])
        return images[..., top : top + size, left : left + size]

    def extra_repr(self) -> str:
        mean, std = ([round(v, 4) for v in t.flatten().tolist()] for t in (self.mean, self.std))
        stretch = ", stretch" if self.stretch else ""
        return f"size={self.size}, resize={self.resize}, mean={mean}, std={std}, {self.interpolation}{stretch}"
