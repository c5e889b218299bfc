"""Random erasing: a black rectangle somewhere in some of the images (Zhong et al. 2017, arXiv 1708.04896)."""

from dataclasses import dataclass

import torch
from torch import Tensor

CHANCE = 0.25
AREA = (0.02, 0.2)
ASPECT = (0.3, 3.3)


@dataclass(frozen=True, eq=False)
class Boxes:
    """For n images: ``area`` (n,) as share of the image, 0 where nothing is erased, ``aspect`` (n,) height by width,
    and ``place`` (2, n): how far down and right the box lies, from 0 to 1.
    """

    area: Tensor
    aspect: Tensor
    place: Tensor

    def of(self, indices: Tensor | slice) -> "Boxes":
        """The boxes of some of the images."""
        return Boxes(self.area[indices], self.aspect[indices], self.place[:, indices])


def draw_boxes(n: int, generator: torch.Generator) -> Boxes:
    """A box with probability 1/4, of 2 to 20 % of the area and an aspect from 0.3 to 3.3, all uniform."""
    erased = torch.rand(n, generator=generator) < CHANCE
    area, aspect = (low + (high - low) * torch.rand(n, generator=generator) for low, high in (AREA, ASPECT))
    return Boxes(area * erased, aspect, torch.rand(2, n, generator=generator))


def erase(images: Tensor, boxes: Boxes) -> Tensor:
    """Images (n, c, H, W) of any type with their boxes black, as everything that augmentation lays open.

    A box that is longer than a side ends with it. The input is not changed.
    """
    height, width = images.shape[-2:]
    tall = (boxes.area * boxes.aspect * height * width).sqrt().round().clamp(max=height)
    wide = (boxes.area / boxes.aspect * height * width).sqrt().round().clamp(max=width)
    down, right = _inside(boxes.place[0], height, tall), _inside(boxes.place[1], width, wide)
    return images.masked_fill((down[:, None, :, None] & right[:, None, None, :]), 0)


def _inside(place: Tensor, side: int, length: Tensor) -> Tensor:
    """Which of the pixels (n, side) along one side lie in a stretch of ``length``, for each image."""
    start = (place * (side - length + 1)).floor().clamp(max=side - length)[:, None]
    pixel = torch.arange(side)
    return (pixel >= start) & (pixel < start + length[:, None])
