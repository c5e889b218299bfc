"""``cifar10[:ROOT]``, ``cifar100``, ``mnist``, ``fashion-mnist``: what torchvision fetches on first use."""

from typing import Any

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST

from suture.data.arrays import adapted, check_labels, to_split
from suture.data.dataset import DataSet
from suture.data.options import Options, root
from suture.errors import DataError

# The class, and the folder it reads under ROOT.
FETCHED: dict[str, tuple[Any, str]] = {
    "cifar10": (CIFAR10, CIFAR10.base_folder),
    "cifar100": (CIFAR100, CIFAR100.base_folder),
    "mnist": (MNIST, "MNIST/raw"),
    "fashion-mnist": (FashionMNIST, "FashionMNIST/raw"),
}


def fetch(name: str, where: str, options: Options) -> DataSet:
    """The training and test images of ``name``, in file order. Raises DataError."""
    kind, folder = FETCHED[name]
    place = root(where)
    try:
        sets = [kind(place, train=train, download=True) for train in (True, False)]
    except Exception as error:  # what a connection, a disk and broken files raise has no common root
        raise DataError(
            f"{name} could not be read from {place} or fetched: {str(error) or type(error).__name__}",
            expected=f"the whole folder {folder} there, or a connection for the first use",
            instead=f"--data sample (bundled), {name}:ROOT, or npz:PATH",
        ) from error
    arrays = {
        part: (np.asarray(found.data), np.asarray(found.targets))
        for part, found in zip(("train", "test"), sets, strict=True)
    }
    splits = {part: to_split(images, labels, f"{name} ({part})") for part, (images, labels) in arrays.items()}
    classes = tuple(sets[0].classes)
    check_labels(splits, len(classes), name)
    if told := adapted(arrays["train"][0].shape):
        options.tell(f"{name}: {told}")
    return DataSet(name, classes, splits["train"], splits["test"])
