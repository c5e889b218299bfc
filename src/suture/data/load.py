"""Data by name: ``sample``, ``cifar10[:ROOT]``, ``folder:PATH``, ``npz:PATH``."""

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from suture.data.arrays import check_labels, to_split
from suture.data.dataset import DataSet, Split
from suture.data.images import IMAGE_FILES, FileImages, read_image
from suture.data.sample import read_sample
from suture.errors import DataError, listed, nearest
from suture.spec.names import DATA

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
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise DataError(
            f"{where or 'npz:'} cannot be read as npz: {error}",
            expected="a file with x_train, y_train, x_test, y_test",
            instead="npz:PATH with a file written by numpy.savez",
        ) from error
    missing = [key for key in ("x_train", "y_train") if key not in arrays]
    if missing:
        raise DataError(
            f"{path.name} holds {listed(arrays)} and lacks {listed(missing)}",
            expected="x_train, y_train and, for a last line, x_test, y_test",
            instead="numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)",
        )
    splits = {
        part: to_split(arrays[f"x_{part}"], arrays[f"y_{part}"], f"{path.name} ({part})")
        for part in ("train", "val", "test")
        if f"x_{part}" in arrays and f"y_{part}" in arrays
    }
    if "classes" in arrays:
        classes = tuple(str(name) for name in arrays["classes"])
    else:
        classes = tuple(str(number) for number in range(int(splits["train"].labels.max()) + 1))
    check_labels(splits, len(classes), path.name)
    return DataSet(f"npz:{path.name}", classes, splits["train"], splits.get("test"), splits.get("val"))


def _folder(where: str, options: Options) -> DataSet:
    root = Path(where)
    if not root.is_dir():
        raise DataError(
            f"there is no folder {where or 'after folder:'}",
            expected="a folder with one folder of images per class",
            instead="folder:PATH, with or without train, val and test folders inside",
        )
    parts = {FOLDERS[entry.name]: entry for entry in sorted(root.iterdir()) if entry.name in FOLDERS}
    roots = parts if "train" in parts else {"train": root}
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
        found = sorted(p for p in (root / name).glob("**/*") if p.suffix.lower() in IMAGE_FILES and p.is_file())
        good = [path for path in found if _readable(path, options)]
        if not good:
            raise DataError(
                f"the class folder {root / name} has no images",
                expected=f"image files ({', '.join(IMAGE_FILES)}) in every class folder",
                instead="remove the folder, or put its images there",
            )
        paths += good
        labels += [label] * len(good)
    return Split(FileImages(paths, options.size), torch.tensor(labels))


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
