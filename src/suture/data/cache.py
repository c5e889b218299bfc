"""Activations of a frozen encoder, computed once and kept: in memory, or in a memory-mapped file."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from suture.data.augment import augment
from suture.data.dataset import Split

IN_MEMORY = 2 * 2**30
ON_DISK = 32 * 2**30
BATCH = 256


@dataclass(frozen=True, eq=False)
class Activations:
    """Float32 activations (views * n, ...) of n images, with labels (n,). ``keeper`` holds the file they lie in.

    As training examples every epoch has its own order and takes one of the stored views of each image at random.
    """

    values: Tensor
    labels: Tensor
    views: int = 1
    keeper: Any = None

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self), generator=generator)
        view = torch.randint(self.views, (len(self),), generator=generator)
        for part in order.split(size):
            yield self.values[view[part] * len(self) + part], self.labels[part]

    def batches(self, size: int = BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """The first view, in file order."""
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            yield self.values[part], self.labels[part]


@torch.no_grad()
def cache_activations(
    encoder: nn.Module,
    split: Split,
    *,
    kinds: tuple[str, ...] = (),
    views: int = 1,
    seed: int = 0,
    device: Any = "cpu",
    in_memory: int = IN_MEMORY,
    on_disk: int = ON_DISK,
) -> Activations | None:
    """Run ``encoder`` once over a split, ``views`` times with augmentation; None where the result is too large.

    Up to ``in_memory`` bytes stay in memory; up to ``on_disk`` bytes go to a file under ``SUTURE_CACHE`` that ends
    with the process. The first view is the images as they are unless they are augmented.
    """
    encoder = encoder.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    values: Tensor | None = None
    keeper = None
    row = 0
    for view in range(views):
        for images, _labels in split.batches(BATCH):
            changed = augment(images, kinds, generator) if kinds and (views > 1 or view) else images
            activation = encoder(changed.to(device)).float().cpu()
            if values is None:
                shape = (views * len(split), *activation.shape[1:])
                needed = 4 * torch.Size(shape).numel()
                if needed > on_disk:
                    return None
                values, keeper = _room(shape, needed > in_memory)
            values[row : row + len(activation)] = activation
            row += len(activation)
    assert values is not None
    return Activations(values, split.labels, views, keeper)


def _room(shape: tuple[int, ...], on_disk: bool) -> tuple[Tensor, Any]:
    if not on_disk:
        return torch.empty(shape), None
    root = Path(os.environ.get("SUTURE_CACHE") or Path.home() / ".cache" / "suture")
    root.mkdir(parents=True, exist_ok=True)
    keeper = tempfile.TemporaryDirectory(prefix="activations-", dir=root)
    file = str(Path(keeper.name) / "values.bin")
    size = torch.Size(shape).numel()
    return torch.from_file(file, shared=True, size=size, dtype=torch.float32).view(shape), keeper
