"""Activations of a frozen encoder, computed once and kept: in memory, or in a memory-mapped file."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from suture.data.augment import augment
from suture.data.dataset import Split
from suture.data.examples import Teach, nothing
from suture.data.sampling import order
from suture.errors import DataError

IN_MEMORY = 2 * 2**30
ON_DISK = 32 * 2**30
BATCH = 256
VALUES = "values"


@dataclass(frozen=True, eq=False)
class Activations:
    """Float32 activations (views * n, ...) of n images, with labels (n,). ``keeper`` holds the files they lie in.

    ``known`` is what was taught of the same images, rows as those of ``values``.

    As training examples every epoch has its own order and takes one of the stored views of each image at random.
    """

    values: Tensor
    labels: Tensor
    views: int = 1
    keeper: Any = None
    known: Mapping[str, Tensor] = field(default_factory=dict)
    sampling: str = "shuffled"

    def __len__(self) -> int:
        return len(self.labels)

    def epoch(
        self, size: int, generator: torch.Generator, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]:
        """Batches of ``size`` images. Of ``share`` = (rank, world) the same batches, of each this process's part."""
        rank, world = share
        drawn = order(self.labels, self.sampling, generator)
        view = torch.randint(self.views, (len(drawn),), generator=generator)
        for part, views in zip(drawn.split(size), view.split(size), strict=True):
            own = part[rank::world]
            rows = views[rank::world] * len(self) + own
            yield self.values[rows], self.labels[own], {name: rest[rows] for name, rest in self.known.items()}

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
    teach: Teach = nothing,
    in_memory: int = IN_MEMORY,
    on_disk: int = ON_DISK,
) -> Activations | None:
    """Run ``encoder`` once over a split, ``views`` times with augmentation; None where the result is too large.

    Up to ``in_memory`` bytes stay in memory; up to ``on_disk`` bytes, if the disk has them, go to files under
    ``SUTURE_CACHE`` that end with the process. One view is the images as they are, whatever ``kinds`` says; of
    several each is augmented. What ``teach`` knows of the same images is kept beside. Raises DataError where that
    folder cannot be made.
    """
    encoder = encoder.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    kept: dict[str, Tensor] = {}
    keeper = None
    row = 0
    for _view in range(views):
        for images, _labels in split.batches(BATCH):
            changed = (augment(images, kinds, generator) if views > 1 else images).to(device)
            found = {VALUES: encoder(changed), **teach(changed)}
            if not kept:
                shapes = {name: (views * len(split), *tensor.shape[1:]) for name, tensor in found.items()}
                needed = 4 * sum(torch.Size(shape).numel() for shape in shapes.values())
                root = _root() if needed > in_memory else None
                if needed > on_disk or (root and needed > shutil.disk_usage(root).free):
                    return None
                keeper = tempfile.TemporaryDirectory(prefix="activations-", dir=root) if root else None
                kept = {name: _room(shape, keeper, name) for name, shape in shapes.items()}
            for name, tensor in found.items():
                kept[name][row : row + len(images)] = tensor.float().cpu()
            row += len(images)
    values = kept.pop(VALUES)
    return Activations(values, split.labels, views, keeper, kept)


def _root() -> Path:
    root = Path(os.environ.get("SUTURE_CACHE") or Path.home() / ".cache" / "suture")
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the activations are too large for memory, and {root} cannot be made: {error.strerror}",
            expected="a folder that can be written to",
            instead="SUTURE_CACHE=FOLDER in the environment",
        ) from error
    return root


def _room(shape: tuple[int, ...], keeper: Any, name: str) -> Tensor:
    """Room for an array: in memory, or in a file in the keeper's folder."""
    if keeper is None:
        return torch.empty(shape)
    file, size = str(Path(keeper.name) / f"{name}.bin"), torch.Size(shape).numel()
    return torch.from_file(file, shared=True, size=size, dtype=torch.float32).view(shape)
