"""``folder:PATH``: image files in one folder per class, with or without train, val and test folders around them.

The classes are those of training; a folder that validation or test lacks is a class without images there.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from suture.data.dataset import DataSet, Split
from suture.data.images import IMAGE_FILES, FileImages, read_image
from suture.data.options import Options
from suture.errors import DataError, listed

FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def read_folder(where: str, options: Options) -> DataSet:
    root = Path(where)
    if not where or not root.is_dir():
        raise DataError(
            f"there is no folder {where or 'after folder:'}",
            expected="a folder with one folder of images per class",
            instead="folder:PATH, with or without train, val and test folders inside",
        )
    entries = [entry for entry in sorted(root.iterdir()) if entry.is_dir()]
    parts: dict[str, Path] = {}
    for entry in entries:
        meant = FOLDERS.get(entry.name.lower(), "")
        if meant in parts:
            raise DataError(
                f"{root} has both {parts[meant].name} and {entry.name}",
                expected=f"one folder of {meant} images",
                instead="one of the two somewhere else",
            )
        if meant:
            parts[meant] = entry
    if parts and "train" not in parts:
        raise DataError(
            f"{root} has a folder {listed(entry.name for entry in parts.values())} and none named train",
            expected="a train folder beside it, or class folders only",
            instead=f"{root.name}/train/CLASS_NAME/image.png",
        )
    roots = parts or {"train": root}
    beside = [entry.name for entry in entries if entry not in parts.values() and entry.name[0] != "."]
    if parts and beside:
        options.tell(f"left out: {listed(beside)} in {root}, beside {listed(place.name for place in parts.values())}")
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
        splits[name] = _split(root, part, classes, options)
        absent = [folder for folder in classes if not (part / folder).is_dir()]
        if absent:
            options.tell(f"{part} has no folder {listed(absent)}: absent from the {name} split")
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


def _split(whole: Path, root: Path, classes: Sequence[str], options: Options) -> Split:
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (root / name).is_dir():
            continue
        found = sorted(path for path in (root / name).glob("**/*") if _is_image(path))
        good = [path for path in found if _readable(path, options)]
        if not good:
            raise DataError(
                f"the class folder {root / name} has no images that can be read",
                expected=f"image files ({', '.join(IMAGE_FILES)}) in every class folder",
                instead="images of that class there, or no such folder",
            )
        paths += good
        labels += [label] * len(good)
    names = tuple(path.relative_to(whole).as_posix() for path in paths)
    return Split(FileImages(paths, options.size), torch.tensor(labels), names)


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
