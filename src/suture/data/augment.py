"""Random changes of whole batches that keep the label."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor, kinds: Sequence[str], generator: torch.Generator) -> Tensor:
    """Flip and shift images (n, 3, H, W), each on its own.

    ``flip``: left-right with probability one half. ``crop``: shift by up to an eighth of the side in both
    directions, black where the image ends (He et al. 2016, section 4.2). The input is not changed.
    """
    if "crop" in kinds:
        images = _shift(images, generator)
    if "flip" in kinds:
        chosen = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)
    return images


def _shift(images: Tensor, generator: torch.Generator) -> Tensor:
    n, channels, height, width = images.shape
    pad = max(min(height, width) // 8, 1)
    padded = F.pad(images, (pad, pad, pad, pad))
    down, right = torch.randint(0, 2 * pad + 1, (2, n), generator=generator)
    rows = (down[:, None] + torch.arange(height))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width))[:, None, None, :]
    image = torch.arange(n)[:, None, None, None]
    channel = torch.arange(channels)[None, :, None, None]
    return padded[image, channel, rows, columns]
