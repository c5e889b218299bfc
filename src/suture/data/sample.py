"""The bundled sample: 3,000 CIFAR-10 images as lossless WebP, one tall strip a split, in a zip."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from suture.data.arrays import to_split
from suture.data.dataset import DataSet, Split

SIDE = 32


def read_sample(path: Path) -> DataSet:
    """2,000 training and 1,000 test images, balanced, in the order of the original files."""
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("sample.json"))

        def split(name: str) -> Split:
            strip = np.asarray(Image.open(io.BytesIO(archive.read(f"{name}.webp"))).convert("RGB"))
            return to_split(untile(strip, told["columns"]), np.asarray(told[name]["labels"]), f"sample ({name})")

        return DataSet("sample", tuple(told["classes"]), split("train"), split("test"))


def tile(images: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """(n, 32, 32, 3) to one picture of ``columns`` images a row; n must be a multiple of ``columns``."""
    grid = images.reshape(-1, columns, SIDE, SIDE, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(-1, columns * SIDE, 3)


def untile(picture: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """The inverse of ``tile``."""
    grid = picture.reshape(-1, SIDE, columns, SIDE, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(-1, SIDE, SIDE, 3))
