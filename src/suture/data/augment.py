"""Random changes of images that keep the label: new ones for every batch, or fixed ones for every image."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.data.erase import Boxes, draw_boxes, erase
from suture.data.images import Images
from suture.data.warp import Warp, draw_warp, warp


@dataclass(frozen=True, eq=False)
class Changes:
    """What happens to n images: ``flipped`` (n,) bool, ``shift`` (2, n) pixels down and right from ``-pad``."""

    pad: int
    shift: Tensor | None
    flipped: Tensor | None
    warp: Warp | None = None
    boxes: Boxes | None = None

    def of(self, indices: Tensor | slice) -> "Changes":
        """The changes of some of the images."""
        return Changes(
            self.pad,
            None if self.shift is None else self.shift[:, indices],
            None if self.flipped is None else self.flipped[indices],
            None if self.warp is None else self.warp.of(indices),
            None if self.boxes is None else self.boxes.of(indices),
        )


def draw(n: int, side: int, kinds: Sequence[str], generator: torch.Generator) -> Changes:
    """Changes for ``n`` images with a shorter side of ``side`` pixels.

    ``flip``: left-right with probability one half. ``crop``: shift by up to an eighth of the side in both
    directions, black where the image ends (He et al. 2016, arXiv 1512.03385, section 4.2). ``rotate`` and
    ``affine``: see ``draw_warp``. ``erase``: see ``draw_boxes``. Crop comes first, then flip and the rest.
    """
    pad = max(side // 8, 1)
    shift = torch.randint(0, 2 * pad + 1, (2, n), generator=generator) if "crop" in kinds else None
    flipped = torch.rand(n, generator=generator) < 0.5 if "flip" in kinds else None
    warped = draw_warp(n, kinds, generator)
    boxes = draw_boxes(n, generator) if "erase" in kinds else None
    return Changes(pad, shift, flipped, warped, boxes)


def apply(images: Tensor, changes: Changes) -> Tensor:
    """Images (n, 3, H, W) of any type, each changed on its own. The input is not changed."""
    if changes.shift is not None:
        images = _shift(images, changes.pad, changes.shift)
    if changes.flipped is not None:
        images = torch.where(changes.flipped.view(-1, 1, 1, 1), images.flip(-1), images)
    if changes.warp is not None:
        images = warp(images, changes.warp)
    if changes.boxes is not None:
        images = erase(images, changes.boxes)
    return images


def augment(images: Tensor, kinds: Sequence[str], generator: torch.Generator) -> Tensor:
    """A batch (n, 3, H, W) with changes drawn for it. The input is not changed."""
    return apply(images, draw(len(images), min(images.shape[-2:]), kinds, generator))


class AugmentedImages(Images):
    """Other images, each with a change of its own that stays the same whenever it is asked for."""

    def __init__(self, images: Images, kinds: Sequence[str], seed: int) -> None:
        side = min(images.batch([0]).shape[-2:])
        self.images = images
        self.changes = draw(len(images), side, kinds, torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return apply(self.images.batch(indices), self.changes.of(torch.as_tensor(indices, dtype=torch.long)))

    def select(self, indices: Sequence[int]) -> "AugmentedImages":
        chosen = object.__new__(AugmentedImages)
        chosen.images = self.images.select(indices)
        chosen.changes = self.changes.of(torch.as_tensor(indices, dtype=torch.long))
        return chosen

    def hash_into(self, sha: "hashlib._Hash") -> None:
        """What is hashed is the images, not how they are shown."""
        self.images.hash_into(sha)


def _shift(images: Tensor, pad: int, shift: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    padded = F.pad(images, (pad, pad, pad, pad))
    rows = (shift[0][:, None] + torch.arange(height))[:, None, :, None]
    columns = (shift[1][:, None] + torch.arange(width))[:, None, None, :]
    image = torch.arange(n)[:, None, None, None]
    channel = torch.arange(channels)[None, :, None, None]
    return padded[image, channel, rows, columns]
