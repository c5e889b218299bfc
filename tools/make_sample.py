"""Write the bundled sample from all of CIFAR-10.

    python tools/make_sample.py cifar10.npz src/suture/data/sample.zip

2,000 training images from the first 45,000 (the zoo never trains on the rest) and 1,000 test images. Of every class
the first ones in file order, interleaved so that any run of ten has every class once. Lossless WebP.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from suture.data.sample import tile

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COLUMNS = 50


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Indices (10 * per_class,): the k-th image of every class, for k = 0, 1, ..."""
    return np.stack([np.flatnonzero(labels == label)[:per_class] for label in range(10)], axis=1).ravel()


def main(source: Path, target: Path) -> None:
    with np.load(source) as data:
        parts = {
            "train": (data["x_train"][:45000], data["y_train"][:45000], 200),
            "test": (data["x_test"], data["y_test"], 100),
        }
    told: dict[str, object] = {"source": "CIFAR-10 (Krizhevsky 2009)", "classes": CLASSES, "columns": COLUMNS}
    with zipfile.ZipFile(target, "w") as archive:
        for name, (images, labels, per_class) in parts.items():
            chosen = choose(labels, per_class)
            buffer = io.BytesIO()
            Image.fromarray(tile(images[chosen], COLUMNS)).save(
                buffer, "webp", lossless=True, quality=100, method=6, exact=True
            )
            _write(archive, f"{name}.webp", buffer.getvalue())
            told[name] = {"labels": labels[chosen].tolist(), "indices": chosen.tolist()}
        _write(archive, "sample.json", json.dumps(told).encode())


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """A fixed date, so that the same images give the same file."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
