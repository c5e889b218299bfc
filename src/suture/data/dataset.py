"""A data set: labelled images in splits, with a digest that names its content."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from suture.data.holdout import validation_indices
from suture.data.images import Images
from suture.errors import DataError

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels: classes (n,) int64, or, multi-label, (n, k) float32 of 0 and 1.

    ``names`` tell the images apart: a file's path in its folder, or as ``train/123`` the place in an array.
    ``groups`` (n,) int64 numbers what images share that may not stand on two sides.
    """

    images: Images
    labels: Tensor
    names: tuple[str, ...] | None = None
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """What one image is called in reports; its number where nobody named it."""
        return str(index) if self.names is None else self.names[index]

    def first(self, count: int | None) -> "Split":
        """The first ``count`` images in file order; all of them for None."""
        return self if count is None or count >= len(self) else self.select(range(count))

    def spread(self, count: int) -> "Split":
        """``count`` images evenly spaced over the file order, so that sorted files still show every class."""
        return self if count >= len(self) else self.select([i * len(self) // count for i in range(count)])

    def select(self, indices: Sequence[int]) -> "Split":
        rows = torch.as_tensor(indices, dtype=torch.long)
        names = None if self.names is None else tuple(self.names[index] for index in indices)
        groups = None if self.groups is None else self.groups[rows]
        return Split(self.images.select(indices), self.labels[rows], names, groups)

    def batches(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (images in [0, 1] as float32 (n, 3, H, W), labels), in file order unless told."""
        order = range(len(self)) if order is None else order
        for start in range(0, len(order), size):
            part = order[start : start + size]
            yield self.images.batch(part).float() / 255, self.labels[torch.as_tensor(part, dtype=torch.long)]


@dataclass(frozen=True)
class Duplicate:
    """Two nearly equal images on two sides; ``distance`` is that of their hashes, in bits of 63."""

    split_a: SplitName
    name_a: str
    split_b: SplitName
    name_b: str
    distance: int


@dataclass(frozen=True, eq=False)
class DataSet:
    """``train`` is what may be learned from, ``val`` what choices are made on, ``test`` for the last line.

    ``val`` is None until ``with_validation`` cuts it from ``train``, unless the data come with one of their own;
    ``test`` is None where there is none. ``uncut`` is ``train`` as it was before validation was cut off it.
    ``classes`` are the names of the classes or, of multi-label data, of the attributes. ``val_share`` is what
    ``with_validation`` cuts off; ``duplicates`` the nearly equal images on two sides, None where nobody looked.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split | None
    val: Split | None = None
    uncut: Split | None = None
    val_share: float | None = None
    duplicates: tuple[Duplicate, ...] | None = None

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

        A given ``val_share`` and whole groups are drawn by ``seed``, and so is a tenth of multi-label data. Raises
        DataError where no class has two images, or no group can be spared.
        """
        if self.val is not None:
            return self
        train = self.train
        kept, held = validation_indices(train.labels, seed, self.val_share, train.groups)
        if not held and train.groups is not None:
            raise DataError(
                f"{self.name} has {len(train)} training images in {len(train.groups.unique())} groups: none of them "
                "can be held out for validation",
                expected="groups of which some can be held out whole while every class is still learned from",
                instead="more groups with images of every class, or data that come with a val folder or array",
            )
        if not held:
            alike = "" if self.multilabel else " of a class"
            raise DataError(
                f"{self.name} has {len(train)} training images, no two{alike}: too few for validation",
                expected=f"two images or more{alike}, to learn from and to hold out",
                instead="more images, or data that come with a val folder or array",
            )
        return replace(self, train=train.select(kept), val=train.select(held), uncut=train)

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
