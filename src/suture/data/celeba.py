"""``celeba[:ROOT]``: faces with 40 attributes, each there or not.

Liu et al. 2015, "Deep Learning Face Attributes in the Wild" (arXiv 1411.7766). The files lie as torchvision's own
reader has them; that one also wants lists of identities, boxes and landmarks, all of exact checksums, and fetches
from a place that often refuses.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from suture.data.dataset import DataSet, Split
from suture.data.images import FileImages
from suture.data.options import Options, root
from suture.errors import DataError, listed

ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
FACES = "img_align_celeba"
SPLITS = {"0": "train", "1": "val", "2": "test"}


def read_celeba(where: str, options: Options) -> DataSet:
    """The aligned faces in their own three splits, decoded when asked for. Raises DataError."""
    folder = root(where) / "celeba"
    missing = [name for name in (ATTRIBUTES, PARTITION) if not (folder / name).is_file()]
    missing += [] if (folder / FACES).is_dir() else [FACES]
    if missing:
        raise DataError(
            f"celeba: {folder} lacks {listed(missing)}",
            expected=f"{ATTRIBUTES}, {PARTITION} and the folder {FACES} with the images, as their authors give them",
            instead="celeba:ROOT with those three in ROOT/celeba; they are not fetched for you",
        )
    classes, rows, labels = _attributes(folder / ATTRIBUTES)
    parts = _partition(folder / PARTITION)
    whole = rows.keys() & {path.name for path in (folder / FACES).iterdir()}
    lacking = [name for name in parts if name not in whole]
    if lacking:
        _leave_out(lacking, folder, options)
    splits: dict[str, Split] = {}
    for part in SPLITS.values():
        names = [name for name, own in parts.items() if own == part and name in whole]
        if names:
            images = FileImages([folder / FACES / name for name in names], options.size)
            splits[part] = Split(images, labels[[rows[name] for name in names]], tuple(names))
    if "train" not in splits:
        raise DataError(
            f"celeba: {folder} holds no training images",
            expected=f"images that {PARTITION} puts into split 0",
            instead=f"all of {FACES}, unpacked",
        )
    return DataSet("celeba", classes, splits["train"], splits.get("test"), splits.get("val"))


def _leave_out(names: list[str], folder: Path, options: Options) -> None:
    told = f"celeba: {len(names)} images without a file or attributes, the first is {names[0]}"
    if not options.skip_bad:
        raise DataError(
            told,
            expected=f"every image of {PARTITION} in {folder / FACES} and in {ATTRIBUTES}",
            instead="all of the archive unpacked, or --skip-bad for the images that are there",
        )
    options.tell(f"left out: {told}")


def _attributes(path: Path) -> tuple[tuple[str, ...], dict[str, int], Tensor]:
    """Names of the attributes, the row of each file, and labels (n, k).

    A line with the count, one with the names, then ``FILE 1 -1 ...``, 1 where the attribute is there.
    """
    lines = _lines(path)
    classes = tuple(lines[1]) if len(lines) > 1 else ()
    if len(classes) < 2:
        raise _unlike(path, 2, classes, "the names of two attributes or more")
    for number, line in enumerate(lines[2:], 3):
        if len(line) != len(classes) + 1 or not {"1", "-1"}.issuperset(line[1:]):
            raise _unlike(path, number, line, f"a file name and {len(classes)} times 1 or -1")
    labels = torch.tensor([[float(value == "1") for value in line[1:]] for line in lines[2:]])
    return classes, {line[0]: row for row, line in enumerate(lines[2:])}, labels


def _partition(path: Path) -> dict[str, str]:
    """Which split each file is in, in file order."""
    lines = _lines(path)
    for number, line in enumerate(lines, 1):
        if len(line) != 2 or line[1] not in SPLITS:
            raise _unlike(path, number, line, "a file name and 0, 1 or 2, for train, validation or test")
    return {name: SPLITS[part] for name, part in lines}


def _lines(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.split() for line in text.rstrip().splitlines()]


def _unlike(path: Path, number: int, line: Sequence[str], expected: str) -> DataError:
    return DataError(
        f"celeba: line {number} of {path.name} reads {' '.join(line)[:60]!r}",
        expected=expected,
        instead="the file as its authors give it",
    )
