"""A data set: labelled images in splits, with a digest that names its content."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from suture.data.images import Images
from suture.errors import DataError

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels: classes (n,) int64, or, multi-label, (n, k) float32 of 0 and 1."""

    images: Images
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> "Split":
        """The first ``count`` images in file order; all of them for None."""
        return self if count is None or count >= len(self) else self.select(range(count))

    def spread(self, count: int) -> "Split":
        """``count`` images evenly spaced over the file order, so that sorted files still show every class."""
        return self if count >= len(self) else self.select([i * len(self) // count for i in range(count)])

    def select(self, indices: Sequence[int]) -> "Split":
        return Split(self.images.select(indices), self.labels[torch.as_tensor(indices, dtype=torch.long)])

    def batches(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (images in [0, 1] as float32 (n, 3, H, W), labels), in file order unless told."""
        order = range(len(self)) if order is None else order
        for start in range(0, len(order), size):
            part = order[start : start + size]
            yield self.images.batch(part).float() / 255, self.labels[torch.as_tensor(part, dtype=torch.long)]


@dataclass(frozen=True, eq=False)
class DataSet:
    """``train`` is what may be learned from, ``val`` what choices are made on, ``test`` for the last line.

    ``val`` is None until ``with_validation`` cuts it from ``train``, unless the data come with one of their own;
    ``test`` is None where there is none. ``uncut`` is ``train`` as it was before validation was cut off it.
    ``classes`` are the names of the classes or, of multi-label data, of the attributes.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split | None
    val: Split | None = None
    uncut: Split | None = None

    @property
    def multilabel(self) -> bool:
        """Whether an image has any number of attributes in place of one class."""
        return self.train.labels.ndim == 2

    def split(self, name: SplitName) -> Split:
        chosen = {"train": self.train, "val": self.val, "test": self.test}[name]
        if chosen is None:
            have = [split for split in ("train", "val", "test") if getattr(self, split) is not None]
            raise DataError(
                f"{self.name} has no {name} split",
                expected=f"a split it has: {', '.join(have)}",
                instead=f"data that come with a {name} folder or array (also --split {have[-1]} for eval)",
            )
        return chosen

    def with_validation(self, seed: int = 0) -> "DataSet":
        """Cut validation off: the last tenth of training where the file order is random, else stratified.

        Of multi-label data a tenth drawn by ``seed``. Raises DataError where no class has two images.
        """
        if self.val is not None:
            return self
        kept, held = validation_indices(self.train.labels, seed)
        if not held:
            alike = "" if self.multilabel else " of a class"
            raise DataError(
                f"{self.name} has {len(self.train)} training images, no two{alike}: too few for validation",
                expected=f"two images or more{alike}, to learn from and to hold out",
                instead="more images, or data that come with a val folder or array",
            )
        return replace(self, train=self.train.select(kept), val=self.train.select(held), uncut=self.train)

    def digest(self) -> str:
        """sha256 over classes, labels and images (files: their bytes), the same before and after ``with_validation``.

        Raises DataError for an image file that is gone.
        """
        sha = hashlib.sha256(json.dumps(self.classes).encode())
        own = None if self.uncut else self.val
        for name, split in (("train", self.uncut or self.train), ("val", own), ("test", self.test)):
            if split is not None:
                sha.update(f"{name} {'x'.join(map(str, split.labels.shape))}\n".encode())
                sha.update(split.labels.numpy().tobytes())
                split.images.hash_into(sha)
        return sha.hexdigest()


def validation_indices(labels: Tensor, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """Indices to keep for training and to hold out, in file order.

    Stratified, a tenth of every class is held out, and one image at least of a class that has two. Multi-label
    rows, which may all differ, are one class in this: a tenth of the images at random, so a rare attribute may be
    on one side only.
    """
    n = len(labels)
    if order_is_random(labels):
        return range(n - n // 10), range(n - n // 10, n)
    strata = labels if labels.ndim == 1 else torch.zeros(n)
    generator = torch.Generator().manual_seed(seed)
    out: set[int] = set()
    for label in strata.unique():
        members = (strata == label).nonzero().flatten()
        count = max(round(len(members) / 10), min(len(members) - 1, 1))
        out.update(members[torch.randperm(len(members), generator=generator)[:count]].tolist())
    return [i for i in range(n) if i not in out], sorted(out)


def order_is_random(labels: Tensor) -> bool:
    """Whether the file order looks shuffled: neighbours differ about as often as by chance, to the end.

    False for multi-label data, whose rows nearly always differ, sorted or not.
    """
    if labels.ndim == 2:
        return False
    n = len(labels)
    shares = labels.bincount().double() / max(n, 1)
    by_chance = 1 - (shares**2).sum()
    tail = labels[n - n // 10 :]
    changes = (labels[1:] != labels[:-1]).double().mean()
    return bool(changes > 0.8 * by_chance) and len(tail.unique()) == len(labels.unique())
