"""Small real data for tests: the first images of the bundled sample."""

from pathlib import Path

import numpy as np

from suture.data.dataset import Split
from suture.data.load import load_data


def sample_split(count: int = 64) -> Split:
    return load_data("sample").train.first(count)


def write_npz(path: Path, train: int = 200, test: int = 60, **more: np.ndarray) -> Path:
    """A file for ``npz:PATH`` cut from the sample; ``more`` replaces or adds arrays."""
    sample = load_data("sample")
    assert sample.test is not None
    arrays = {}
    for name, split, count in (("train", sample.train, train), ("test", sample.test, test)):
        arrays[f"x_{name}"] = split.images.batch(range(count)).permute(0, 2, 3, 1).numpy()
        arrays[f"y_{name}"] = split.labels[:count].numpy()
    np.savez(path, **(arrays | more))
    return path
