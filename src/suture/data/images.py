"""Images as batches of bytes, wherever they lie."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from suture.errors import DataError

IMAGE_FILES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
THREADS = 4


class Images(ABC):
    """A sequence of RGB images that come in batches."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, indices: Sequence[int]) -> Tensor:
        """The named images as uint8 (n, 3, H, W)."""

    @abstractmethod
    def select(self, indices: Sequence[int]) -> "Images":
        """The named images, in that order, as images of their own."""


class ArrayImages(Images):
    """Images in memory: uint8 (n, 3, H, W)."""

    def __init__(self, array: Tensor) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return self.array[torch.as_tensor(indices, dtype=torch.long)]

    def select(self, indices: Sequence[int]) -> "ArrayImages":
        return ArrayImages(self.batch(indices))


class FileImages(Images):
    """Image files, decoded when asked for: short side to ``size``, centre crop."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths = tuple(paths)
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Sequence[int]) -> Tensor:
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(lambda index: read_image(self.paths[index], self.size), indices)))

    def select(self, indices: Sequence[int]) -> "FileImages":
        return FileImages([self.paths[index] for index in indices], self.size)


def read_image(path: Path, size: int | None = None) -> Tensor:
    """One image file as uint8 (3, H, W) in RGB, upright. Raises DataError naming the file."""
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I") or image.mode == "F":
                deep = np.asarray(image, dtype=np.float64)
                image = Image.fromarray(np.clip(deep / 257, 0, 255).astype(np.uint8))
            tensor = pil_to_tensor(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path} is no image that can be read: {error}",
            expected=f"a whole image file ({', '.join(IMAGE_FILES)})",
            instead="--skip-bad to leave such files out, or repair or remove the file",
        ) from error
    if size is None:
        return tensor
    return center_crop(resize(tensor, [size], antialias=True), [size, size])
