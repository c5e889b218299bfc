"""What stands in for data where a recipe is only looked at: grey images, as many classes as wanted."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from suture.data.dataset import DataSet, Split
from suture.data.images import Images

EACH = 10
GREY = 127


class Grey(Images):
    """So many images of one colour, which take no memory."""

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Sequence[int]) -> Tensor:
        return torch.full((len(indices), 3, self.size, self.size), GREY, dtype=torch.uint8)

    def select(self, indices: Sequence[int]) -> "Grey":
        return Grey(len(indices), self.size)

    def hash_into(self, sha: "hashlib._Hash") -> None:
        sha.update(f"{self.count} grey images of {self.size}".encode())


def standin(classes: int, size: int, each: int = EACH) -> DataSet:
    """Training, validation and test images ``size`` wide, so many of ``each`` of so many classes in each split."""
    labels = torch.arange(classes).repeat(each)
    split = Split(Grey(len(labels), size), labels)
    return DataSet("the data", tuple(map(str, range(classes))), train=split, test=split, val=split)
