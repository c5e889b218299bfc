"""Data by name: ``sample``, ``cifar10[:ROOT]``, ``folder:PATH``, ``npz:PATH``."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10

from suture.data.arrays import check_labels, to_split
from suture.data.dataset import DataSet, Split
from suture.data.images import IMAGE_FILES, FileImages, read_image
from suture.data.sample import read_sample
from suture.errors import DataError, listed, nearest
from suture.spec.names import DATA

SPLITS = ("train", "val", "test")
UNNAMED = 1000
FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Options:
    """``size``: pixels to decode image files to; ``skip_bad``: leave out files that cannot be read."""

    size: int = 224
    skip_bad: bool = False
    tell: Callable[[str], None] = print


Loader = Callable[[str, Options], DataSet]


def load_data(
    name: str, *, size: int = 224, skip_bad: bool = False, tell: Callable[[str], None] = lambda _: None
) -> DataSet:
    """A data set by its name. ``tell`` hears what was left out. Raises DataError."""
    kind, _, where = name.partition(":")
    if kind not in LOADERS:
        close = nearest(kind, DATA, 2)
        raise DataError(
            f"there is no data set {name!r}",
            expected=f"one of {', '.join(DATA)}, as sample, cifar10[:ROOT], folder:PATH, npz:PATH",
            instead=" or ".join(close),
        )
    return LOADERS[kind](where, Options(size, skip_bad, tell))


def _sample(_where: str, _options: Options) -> DataSet:
    with as_file(files("suture.data") / "sample.zip") as path:
        return read_sample(path)


def _cifar10(where: str, _options: Options) -> DataSet:
    root = where or os.environ.get("SUTURE_DATA") or str(Path.home() / ".cache" / "suture" / "data")
    try:
        sets = [CIFAR10(root, train=train, download=True) for train in (True, False)]
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(
            f"CIFAR-10 is not in {root} and could not be fetched: {error}",
            expected="the folder cifar-10-batches-py there, or a connection for the first use",
            instead="--data sample (bundled), cifar10:ROOT, or npz:PATH",
        ) from error
    train, test = (to_split(part.data, np.asarray(part.targets), "cifar10") for part in sets)
    return DataSet("cifar10", tuple(sets[0].classes), train, test)


def _npz(where: str, _options: Options) -> DataSet:
    path = Path(where)
    arrays, held = _read_npz(path)
    missing = [
        f"{letter}_{part}"
        for part in SPLITS
        for letter, other in ("xy", "yx")
        if f"{letter}_{part}" not in arrays and (part == "train" or f"{other}_{part}" in arrays)
    ]
    if missing:
        raise DataError(
            f"{path.name} holds {listed(held) or 'nothing'} and lacks {listed(missing)}",
            expected="x_train, y_train and, for a last line, x_test, y_test",
            instead="numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)",
        )
    splits = {
        part: to_split(arrays[f"x_{part}"], arrays[f"y_{part}"], f"{path.name} ({part})")
        for part in SPLITS
        if f"x_{part}" in arrays
    }
    if "classes" in arrays:
        classes = tuple(str(name) for name in arrays["classes"].ravel())
    else:
        classes = _numbered(splits["train"], path.name)
    check_labels(splits, len(classes), path.name)
    return DataSet(f"npz:{path.name}", classes, splits["train"], splits.get("test"), splits.get("val"))


def _read_npz(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays that make a data set, and the names of all that the file holds."""
    known = {"classes"} | {f"{letter}_{part}" for letter in "xy" for part in SPLITS}
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, NpzFile):
            raise ValueError("it holds a single array")
        with archive:
            return {key: archive[key] for key in archive.files if key in known}, archive.files
    except Exception as error:  # on broken bytes zipfile, zlib and numpy raise nearly anything
        raise DataError(
            f"{path} cannot be read as npz: {error}",
            expected="a file with x_train, y_train, x_test, y_test, and no Python objects in it",
            instead="npz:PATH with a file written by numpy.savez",
        ) from error


def _numbered(train: Split, what: str) -> tuple[str, ...]:
    """Classes without names are as many as the training labels count up to."""
    count = max(int(train.labels.max()), 0) + 1
    most = max(UNNAMED, len(train))
    if count > most:
        raise DataError(
            f"the labels of {what} go up to {count - 1}",
            expected=f"labels from 0 to {most - 1} at most where the classes have no names",
            instead="labels counted from 0, or an array classes with the name of each",
        )
    return tuple(map(str, range(count)))


def _folder(where: str, options: Options) -> DataSet:
    root = Path(where)
    if not where or not root.is_dir():
        raise DataError(
            f"there is no folder {where or 'after folder:'}",
            expected="a folder with one folder of images per class",
            instead="folder:PATH, with or without train, val and test folders inside",
        )
    entries = [entry for entry in sorted(root.iterdir()) if entry.is_dir()]
    parts = {FOLDERS[entry.name.lower()]: entry for entry in entries if entry.name.lower() in FOLDERS}
    if parts and "train" not in parts:
        raise DataError(
            f"{root} has a folder {listed(entry.name for entry in parts.values())} and none named train",
            expected="a train folder beside it, or class folders only",
            instead=f"{root.name}/train/CLASS_NAME/image.png",
        )
    roots = parts or {"train": root}
    classes = _class_folders(roots["train"])
    splits: dict[str, Split] = {}
    for name, part in roots.items():
        strange = [folder for folder in _class_folders(part) if folder not in classes]
        if strange:
            raise DataError(
                f"{part} has classes that training has not: {listed(strange)}",
                expected=f"the classes {listed(classes)}",
                instead="the same class folders in every split",
            )
        splits[name] = _read_folder(part, classes, options)
    return DataSet(f"folder:{root.name}", tuple(classes), splits["train"], splits.get("test"), splits.get("val"))


def _class_folders(root: Path) -> list[str]:
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != ".")
    if not classes:
        raise DataError(
            f"{root} holds no class folders",
            expected="one folder of images per class",
            instead=f"{root.name}/CLASS_NAME/image.png",
        )
    return classes


def _read_folder(root: Path, classes: Sequence[str], options: Options) -> Split:
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (root / name).glob("**/*") if _is_image(path))
        good = [path for path in found if _readable(path, options)]
        if not good:
            raise DataError(
                f"the class folder {root / name} has no images that can be read",
                expected=f"image files ({', '.join(IMAGE_FILES)}) for every class, in every split",
                instead="images of that class there, or no folder for it in any split",
            )
        paths += good
        labels += [label] * len(good)
    return Split(FileImages(paths, options.size), torch.tensor(labels))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_FILES and path.name[0] != "." and path.is_file()


def _readable(path: Path, options: Options) -> bool:
    """Broken files are found now, not in the middle of a run."""
    try:
        read_image(path)
    except DataError as error:
        if not options.skip_bad:
            raise
        options.tell(f"left out: {error.given}")
        return False
    return True


LOADERS: dict[str, Loader] = {"sample": _sample, "cifar10": _cifar10, "folder": _folder, "npz": _npz}
