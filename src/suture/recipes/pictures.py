"""Images that somebody names or hands over: files, folders, patterns, PIL images, tensors."""

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from suture.data.images import IMAGE_FILES, THREADS, as_rgb, read_image
from suture.errors import DataError

Given = str | Path | Image.Image | Tensor
BATCH = 64


@dataclass(frozen=True, eq=False)
class Picture:
    """An image that is not read yet; without a name of its own it is called by its number."""

    name: str
    content: Path | Image.Image | Tensor


def pictures(given: Given | Iterable[Given]) -> list[Picture]:
    """All that is named, in order.

    A folder stands for all image files in it and below, sorted, a pattern (``*.png``) for all that fit. A tensor is
    one image (3, H, W) or several (N, 3, H, W), bytes or floats in [0, 1]. Raises DataError for a name behind which
    there are no images.
    """
    found: list[Picture] = []
    for one in [given] if isinstance(given, Given) else given:
        if isinstance(one, str | Path):
            found += [Picture(str(path), path) for path in image_files(str(one))]
        elif isinstance(one, Tensor):
            rows = one if one.ndim == 4 else [one]
            found += [Picture(str(len(found) + number), row) for number, row in enumerate(rows)]
        elif isinstance(one, Image.Image):
            found.append(Picture(getattr(one, "filename", "") or str(len(found)), one))
        else:
            raise DataError(
                f"a {type(one).__name__} is no image",
                expected="a path, a PIL image or a tensor (3, H, W)",
                instead="suture.predict(network, ['photo.jpg'])",
            )
    if not found:
        raise DataError("no images", expected="one image or more", instead="a file, a folder or a pattern")
    return found


def image_files(text: str) -> list[Path]:
    """The files behind a path or a pattern. Raises DataError where there are none."""
    path = Path(text)
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = sorted(path.glob("**/*"))
    else:
        inside = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  any may be absolute
    files = [file for file in inside if file.suffix.lower() in IMAGE_FILES and file.name[0] != "." and file.is_file()]
    if not files:
        what = f"the folder {text} holds no image files" if path.is_dir() else f"there is no image {text}"
        raise DataError(
            what,
            expected=f"files, folders or patterns of {', '.join(IMAGE_FILES)}",
            instead="photo.jpg or 'photos/*.png'",
        )
    return files


def read_batches(
    found: Sequence[Picture], size: int, skip: Callable[[str], None] | None = None
) -> Iterator[tuple[list[str], Tensor]]:
    """Names and RGB images in [0, 1] (n, 3, H, W), in order; those in a batch have the same size.

    Files and PIL images become squares of ``size``, as ``folder:`` data do; tensors stay as they are. ``skip`` is told
    of files that cannot be read; without it they raise DataError.
    """

    def read(picture: Picture) -> Tensor | DataError:
        try:
            return _read(picture, size)
        except DataError as error:
            return error

    for start in range(0, len(found), BATCH):
        part = found[start : start + BATCH]
        with ThreadPoolExecutor(THREADS) as pool:
            results = list(pool.map(read, part))
        names: list[str] = []
        images: list[Tensor] = []
        for picture, result in zip(part, results, strict=True):
            if isinstance(result, DataError):
                if skip is None:
                    raise result
                skip(f"left out: {result.given}")
                continue
            if images and result.shape != images[-1].shape:
                yield names, torch.stack(images)
                names, images = [], []
            names.append(picture.name)
            images.append(result)
        if images:
            yield names, torch.stack(images)


def _read(picture: Picture, size: int) -> Tensor:
    content = picture.content
    if isinstance(content, Path):
        return read_image(content, size).float() / 255
    if isinstance(content, Image.Image):
        try:
            return as_rgb(content, size).float() / 255
        except Exception as error:  # a file that was opened and not read may turn out broken
            raise DataError(
                f"the image {picture.name} cannot be read: {error}",
                expected="a PIL image in a mode that can become RGB",
                instead="image.convert('RGB')",
            ) from error
    return _checked(picture.name, content)


def _checked(name: str, tensor: Tensor) -> Tensor:
    if tensor.dtype == torch.uint8:
        tensor = tensor.float() / 255
    if tensor.ndim != 3 or tensor.shape[0] != 3 or not tensor.is_floating_point():
        raise DataError(
            f"the image {name} is a tensor of shape {tuple(tensor.shape)} and type {tensor.dtype}",
            expected="RGB (3, H, W), as bytes or as floats in [0, 1]",
            instead="image.expand(3, -1, -1) of a grey one",
        )
    if not bool(((tensor >= 0) & (tensor <= 1)).all()):
        raise DataError(
            f"the image {name} has values from {tensor.min():.3g} to {tensor.max():.3g}",
            expected="floats in [0, 1]: the network brings its own normalisation",
            instead="image / 255 of bytes, and no normalisation",
        )
    return tensor.float().cpu()
