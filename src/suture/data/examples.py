"""What a training draws its batches from: images, or activations that were computed once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from suture.data.augment import apply, draw
from suture.data.dataset import Split
from suture.data.sampling import order

Teach = Callable[[Tensor], Mapping[str, Tensor]]
"""What else is known of images (n, 3, H, W): tensors of n rows, by name."""


def nothing(_images: Tensor) -> Mapping[str, Tensor]:
    return {}


@dataclass(frozen=True)
class ImageExamples:
    """Images of a split in a new random order every epoch, augmented on the fly; float32 (n, 3, H, W) in [0, 1]."""

    split: Split
    augment: tuple[str, ...] = ()
    teach: Teach = nothing
    sampling: str = "shuffled"

    def __len__(self) -> int:
        return len(self.split)

    def epoch(
        self, size: int, generator: torch.Generator, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]:
        """Batches of ``size`` images. Of ``share`` = (rank, world) the same batches, of each this process's part.

        A part may be empty. Every image changes as it does with one process, whatever the world.
        """
        own = slice(share[0], None, share[1])
        for part in order(self.split.labels, self.sampling, generator).split(size):
            images = self.split.images.batch(part[own].tolist())
            changes = draw(len(part), min(images.shape[-2:]), self.augment, generator)
            shown = apply(images, changes.of(own)).float() / 255
            yield shown, self.split.labels[part[own]], self.teach(shown)
