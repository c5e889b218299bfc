"""Small data sets in the formats of their authors."""

from pathlib import Path

import numpy as np
from PIL import Image

ATTRIBUTES = ("Bald", "Smiling", "Young")


def write_celeba(root: Path, seed: int = 0, counts: tuple[int, int, int] = (40, 6, 9)) -> np.ndarray:
    """Images and lists in ``root``/celeba; returns the labels, 0 and 1."""
    folder, draw = root / "celeba", np.random.default_rng(seed)
    (folder / "img_align_celeba").mkdir(parents=True, exist_ok=True)
    labels = draw.integers(0, 2, (sum(counts), len(ATTRIBUTES)))
    files = [f"{number:06}.jpg" for number in range(1, sum(counts) + 1)]
    parts = np.repeat([0, 1, 2], counts)
    for file in files:
        face = draw.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(face).save(folder / "img_align_celeba" / file)
    rows = [f"{file} " + " ".join(f"{2 * v - 1:2}" for v in row) for file, row in zip(files, labels, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(len(files)), " ".join(ATTRIBUTES) + " ", *rows, ""]))
    lines = [f"{file} {part}" for file, part in zip(files, parts, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join([*lines, ""]))
    return labels


def write_idx(path: Path, array: np.ndarray) -> None:
    """Yann LeCun's format: type 8 (bytes), the number of axes, their lengths, the values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = np.array(array.shape, ">i4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + lengths + array.astype(np.uint8).tobytes())


def write_mnist(folder: Path, seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    held = {}
    for part, count in (("train", 100), ("t10k", 20)):
        held[part] = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", held[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count) % 10)
    return held
