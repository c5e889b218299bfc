"""``npz:PATH``: images and labels as numpy arrays, and groups where there are some."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from suture.data.arrays import adapted, check_labels, to_split
from suture.data.dataset import DataSet, Split
from suture.data.groups import grouped
from suture.data.options import Options
from suture.errors import DataError, listed

SPLITS = ("train", "val", "test")
UNNAMED = 1000


def read_npz(where: str, options: Options) -> DataSet:
    path = Path(where)
    arrays, held = _arrays(path)
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
    for told in dict.fromkeys(adapted(arrays[f"x_{part}"].shape) for part in splits):
        if told:
            options.tell(f"{path.name}: {told}")
    if all(split.labels.ndim == 2 and bool((split.labels.sum(1) == 1).all()) for split in splits.values()):
        options.tell(f"{path.name}: every image has one attribute; if they are classes, save y.argmax(1) instead")
    data = DataSet(f"npz:{path.name}", classes, splits["train"], splits.get("test"), splits.get("val"))
    groups = {part: arrays[f"g_{part}"] for part in SPLITS if f"g_{part}" in arrays}
    if not groups:
        return data
    _check_groups(groups, splits, path.name)
    return grouped(data, groups)


def _check_groups(groups: dict[str, NDArray[Any]], splits: dict[str, Split], what: str) -> None:
    shapes = {part: groups[part].shape if part in groups else None for part in splits}
    if any(shape != (len(splits[part]),) for part, shape in shapes.items()):
        told = ", ".join(f"g_{part} {'missing' if shape is None else shape}" for part, shape in shapes.items())
        raise DataError(
            f"the groups of {what} do not fit its images: {told}",
            expected="one per image: " + ", ".join(f"g_{part} ({len(split)},)" for part, split in splits.items()),
            instead="such arrays, or none of them",
        )


def _arrays(path: Path) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays that make a data set, and the names of all that the file holds."""
    known = {"classes"} | {f"{letter}_{part}" for letter in "xyg" for part in SPLITS}
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
    """Without names: as many classes as the training labels count up to, or as many attributes as they tell of."""
    if train.labels.ndim == 2:
        return tuple(map(str, range(train.labels.shape[1])))
    count = max(int(train.labels.max()), 0) + 1
    most = max(UNNAMED, len(train))
    if count > most:
        raise DataError(
            f"the labels of {what} go up to {count - 1}",
            expected=f"labels from 0 to {most - 1} at most where the classes have no names",
            instead="labels counted from 0, or an array classes with the name of each",
        )
    return tuple(map(str, range(count)))
