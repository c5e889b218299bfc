"""What a training draws its batches from: images, or activations that were computed once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from suture.data.augment import augment
from suture.data.dataset import Split

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

    def __len__(self) -> int:
        return len(self.split)

    def epoch(self, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Mapping[str, Tensor]]]:
        order = torch.randperm(len(self), generator=generator)
        for part in order.split(size):
            images = augment(self.split.images.batch(part.tolist()), self.augment, generator).float() / 255
            yield images, self.split.labels[part], self.teach(images)
