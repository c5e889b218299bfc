"""Groups of images that may not stand on two sides: those of one patient, one camera, one day."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from suture.data.dataset import DataSet
from suture.errors import DataError, listed, nearest

FILE = "file"
SPLITS = ("train", "val", "test")


def with_groups(data: DataSet, where: str | None) -> DataSet:
    """The data with the groups that ``FILE.csv:COLUMN`` tells; as they are for None. Raises DataError.

    A row names its image by the path in the data's folder, or by the bare file name where only one image has it; an
    image of an array is ``train/123``.
    """
    if where is None:
        return data
    told = _read(where)
    names = {part: split.names or () for part, split in _parts(data).items()}
    bare = Counter(PurePosixPath(name).name for own in names.values() for name in own)

    def group(name: str) -> str:
        short = PurePosixPath(name).name
        return told.get(name) or (told.get(short, "") if bare[short] == 1 else "")

    values = {part: [group(name) for name in own] for part, own in names.items()}
    lost = [name for part in names for name, value in zip(names[part], values[part], strict=True) if not value]
    if lost:
        raise DataError(
            f"{where} gives no group to {len(lost)} of {sum(map(len, names.values()))} images: {listed(lost, 3)}",
            expected="a row for every image, by path in the data's folder, or by file name where no other has it",
            instead=f"a row {lost[0]},GROUP in {where.rpartition(':')[0]}",
        )
    return grouped(data, values)


def grouped(data: DataSet, values: Mapping[str, ArrayLike]) -> DataSet:
    """The data with a group for every image of every split. Raises DataError where they do not tell images apart.

    That is where all images are of one group, or where one group is on two sides already.
    """
    parts = _parts(data)
    names, codes = np.unique(np.concatenate([np.asarray(values[part]) for part in parts]), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"all images of {data.name} are of one group, {str(names[0])!r}",
            expected="two groups or more, so that some can be held out",
            instead="another column, or no --group",
        )
    own = dict(zip(parts, torch.from_numpy(codes).split([len(split) for split in parts.values()]), strict=True))
    first: dict[int, tuple[str, int]] = {}
    for part, split in parts.items():
        for index, code in enumerate(own[part].tolist()):
            other, place = first.setdefault(code, (part, index))
            if other != part:
                raise DataError(
                    f"{parts[other].name(place)} ({other}) and {split.name(index)} ({part}) are both of the group "
                    f"{str(names[code])!r}: {data.name} is divided within groups",
                    expected="every group on one side only",
                    instead="one folder or array of all images, with --test-share and --val-share to divide it",
                )
    return replace(data, **{part: replace(split, groups=own[part]) for part, split in parts.items()})


def _parts(data: DataSet) -> dict[str, Any]:
    return {part: getattr(data, part) for part in SPLITS if getattr(data, part) is not None}


def _read(where: str) -> dict[str, str]:
    """The group of every file in a table, both as they are written there."""
    place, _, column = where.rpartition(":")
    try:
        with Path(place).open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns, rows = list(table.fieldnames or ()), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the groups {place} cannot be read: {error}",
            expected="a CSV file with a row of column names, then one row per image",
            instead="--group FILE.csv:COLUMN",
        ) from error
    key = FILE if FILE in columns else next(iter(columns), "")
    if column not in columns or column == key:
        others = [name for name in columns if name != key]
        why = "names the images" if column in columns else "is not there"
        raise DataError(
            f"{place} has the columns {listed(columns) or '(none)'}, and {column!r} {why}",
            expected=f"a column of groups beside one that names the images, {FILE} or the first",
            instead=f"--group {place}:{nearest(column, others, 1)[0]}" if others else "a file with two columns",
        )
    told: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        name, group = PurePosixPath((row[key] or "").strip()).as_posix(), (row[column] or "").strip()
        if told.setdefault(name, group) != group:
            raise DataError(
                f"{place}, row {number}: {name} is of the group {group!r}, and before of {told[name]!r}",
                expected="one group for every image",
                instead="one row for it",
            )
    return told
