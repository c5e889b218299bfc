"""The four-class folder, and the two networks as sources."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES = ("airplane", "cat", "dog", "ship")
TRAIN = 500


def arguments(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("cifar10", type=Path, help="npz with x_train, y_train, x_test, y_test")
    parser.add_argument("mobilenet", type=Path, help="weights of torchvision's mobilenet_v2")
    parser.add_argument("lite0", type=Path, help="weights of timm's tf_efficientnet_lite0")
    parser.add_argument("--work", type=Path, required=True, help="where the images and the run go")
    return parser


def sources(options: argparse.Namespace, size: int = 96) -> tuple[str, str]:
    return (
        f"torchvision:mobilenet_v2@{options.mobilenet}?size={size}",
        f"timm:tf_efficientnet_lite0@{options.lite0}?size={size}",
    )


def folder(options: argparse.Namespace) -> Path:
    """train/CLASS and test/CLASS of PNG files, made once."""
    root: Path = options.work / "images"
    if root.exists():
        return root
    part = root.with_name("images.part")
    with np.load(options.cifar10) as data:
        for split, most in (("train", TRAIN), ("test", None)):
            labels = data[f"y_{split}"]
            images = data[f"x_{split}"]
            for name in CLASSES:
                place = part / split / name
                place.mkdir(parents=True, exist_ok=True)
                for number in np.flatnonzero(labels == NAMES.index(name))[:most]:
                    Image.fromarray(images[number]).save(place / f"{number:05}.png")
    part.rename(root)
    return root
