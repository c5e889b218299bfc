"""Images as batches of bytes, wherever they lie."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from suture.errors import DataError

IMAGE_FILES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm")
THREADS = 4
DEEPEST = 2**16 - 1


class Images(ABC):
    """A sequence of RGB images that come in batches."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, indices: Sequence[int]) -> Tensor:
        """The named images as uint8 (n, 3, H, W); n may be 0."""

    @abstractmethod
    def select(self, indices: Sequence[int]) -> "Images":
        """The named images, in that order, as images of their own."""

    @abstractmethod
    def hash_into(self, sha: "hashlib._Hash") -> None:
        """Feed the content of all images to ``sha``, in order."""


class ArrayImages(Images):
    """Images in memory: uint8 (n, 3, H, W)."""

    def __init__(self, array: Tensor) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return self.array[torch.as_tensor(indices, dtype=torch.long)]

    def select(self, indices: Sequence[int]) -> "ArrayImages":
        """A range of images shares memory with the whole."""
        if isinstance(indices, range) and indices.step == 1:
            return ArrayImages(self.array[indices.start : indices.stop])
        return ArrayImages(self.batch(indices))

    def hash_into(self, sha: "hashlib._Hash") -> None:
        sha.update(str(tuple(self.array.shape)).encode())
        for image in self.array.split(1024):
            sha.update(image.contiguous().numpy().data)


class FileImages(Images):
    """Image files, decoded when asked for: the square in the centre, resized to ``size``."""

    def __init__(self, paths: Sequence[Path], size: int) -> None:
        self.paths = tuple(paths)
        self.size = size

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: Sequence[int]) -> Tensor:
        if not len(indices):
            return torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)
        with ThreadPoolExecutor(THREADS) as pool:
            return torch.stack(list(pool.map(lambda index: read_image(self.paths[index], self.size), indices)))

    def select(self, indices: Sequence[int]) -> "FileImages":
        return FileImages([self.paths[index] for index in indices], self.size)

    def hash_into(self, sha: "hashlib._Hash") -> None:
        for path in self.paths:
            try:
                content = path.read_bytes()
            except OSError as error:
                raise _broken(path, error) from error
            sha.update(f"{len(content)}\n".encode())
            sha.update(content)


def read_image(path: Path, size: int | None = None) -> Tensor:
    """One image file as uint8 (3, H, W) in RGB, upright; with ``size`` the square in its centre, resized.

    Of an animation the first frame; what is transparent becomes white. 16 bits are scaled to 8 by their whole range,
    so what fills 12 of them stays dark; of 16-bit colour Pillow gives the upper 8 bits. Raises DataError naming the
    file, also for floats and for whole numbers beyond 16 bits, whose range nobody knows.
    """
    try:
        with Image.open(path) as opened:
            return as_rgb(opened, size)
    except Exception as error:  # on broken bytes the decoders raise nearly anything
        raise _broken(path, error) from error


def as_rgb(image: Image.Image, size: int | None = None) -> Tensor:
    """An image that Pillow has opened, as ``read_image`` gives it. Raises ValueError where ``read_image`` refuses."""
    tensor = pil_to_tensor(_rgb(ImageOps.exif_transpose(image)))
    if size is None:
        return tensor
    side = min(tensor.shape[1:])
    return resize(center_crop(tensor, [side, side]), [size, size], antialias=True)


def _broken(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path} is no image that can be read: {error}",
        expected=f"a whole image file ({', '.join(IMAGE_FILES)})",
        instead="--skip-bad to leave such files out, or repair or remove the file",
    )


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        deep = np.asarray(image, dtype=np.float64)
        if deep.min() < 0 or deep.max() > DEEPEST:
            raise ValueError(f"its pixels go from {deep.min():.0f} to {deep.max():.0f}, which is no range of 16 bits")
        image = Image.fromarray(np.round(deep / 257).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
