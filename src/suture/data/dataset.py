"""A data set: labelled images in splits, with a digest that names its content."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from suture.data.images import ArrayImages, FileImages, Images
from suture.errors import DataError

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels (n,) int64."""

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> "Split":
        """The first ``count`` images in file order; all of them for None."""
        return self if count is None or count >= len(self) else self.select(range(count))

    def select(self, indices: Sequence[int]) -> "Split":
        return Split(self.images.select(indices), self.labels[torch.as_tensor(indices, dtype=torch.long)])

    def batches(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (images in [0, 1] as float32 (n, 3, H, W), labels (n,)), in file order unless told."""
        order = range(len(self)) if order is None else order
        for start in range(0, len(order), size):
            part = order[start : start + size]
            yield self.images.batch(part).float() / 255, self.labels[torch.as_tensor(part, dtype=torch.long)]


@dataclass(frozen=True, eq=False)
class DataSet:
    """``train`` is what may be learned from, ``val`` what choices are made on, ``test`` for the last line.

    ``val`` is None until ``with_validation`` cuts it from ``train``, unless the data come with one of their own;
    ``test`` is None where there is none.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split | None
    val: Split | None = None

    def split(self, name: SplitName) -> Split:
        chosen = {"train": self.train, "val": self.val, "test": self.test}[name]
        if chosen is None:
            have = [split for split in ("train", "val", "test") if getattr(self, split) is not None]
            raise DataError(
                f"{self.name} has no {name} split",
                expected=f"a split it has: {', '.join(have)}",
                instead=f"--split {have[-1]}, or data that come with a {name} folder or array",
            )
        return chosen

    def with_validation(self, seed: int = 0) -> "DataSet":
        """Cut validation off: the last tenth of training where the file order is random, else stratified."""
        if self.val is not None:
            return self
        kept, held = validation_indices(self.train.labels, seed)
        return replace(self, train=self.train.select(kept), val=self.train.select(held))

    def digest(self) -> str:
        """sha256 over classes, labels and images (files: their bytes), before validation is cut off."""
        sha = hashlib.sha256("\n".join(self.classes).encode())
        for split in (self.train, self.val, self.test):
            if split is not None:
                sha.update(split.labels.numpy().tobytes())
                _hash_images(split.images, sha)
        return sha.hexdigest()


def _hash_images(images: Images, sha: "hashlib._Hash") -> None:
    if isinstance(images, ArrayImages):
        sha.update(images.array.contiguous().numpy().tobytes())
    elif isinstance(images, FileImages):
        for path in images.paths:
            sha.update(path.read_bytes())


def validation_indices(labels: Tensor, seed: int) -> tuple[list[int], list[int]]:
    """Indices to keep for training and to hold out, a tenth of each."""
    n = len(labels)
    held = max(n // 10, 1)
    if order_is_random(labels):
        return list(range(n - held)), list(range(n - held, n))
    generator = torch.Generator().manual_seed(seed)
    out: set[int] = set()
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        count = round(len(members) / 10)
        out.update(members[torch.randperm(len(members), generator=generator)[:count]].tolist())
    return [i for i in range(n) if i not in out], sorted(out)


def order_is_random(labels: Tensor) -> bool:
    """Whether the file order looks shuffled: neighbours differ about as often as by chance, to the end."""
    n = len(labels)
    shares = labels.bincount().double() / max(n, 1)
    by_chance = 1 - (shares**2).sum()
    tail = labels[n - max(n // 10, 1) :]
    changes = (labels[1:] != labels[:-1]).double().mean()
    return bool(changes > 0.8 * by_chance) and len(tail.unique()) == len(labels.unique())
