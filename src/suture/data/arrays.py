"""Checks that turn outside arrays into labelled images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suture.data.dataset import Split
from suture.data.images import ArrayImages
from suture.errors import DataError

SHAPES = (
    "uint8 or floats in [0, 1], of shape (n, H, W, 3) or (n, 3, H, W), or grey (n, H, W), (n, H, W, 1), (n, 1, H, W)"
)


def to_split(images: NDArray[Any], labels: NDArray[Any], what: str) -> Split:
    """A split from raw arrays. Raises DataError for the wrong shape, type, range or count."""
    pixels = to_bytes(images, what)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"the labels of {what} have shape {labels.shape} and type {labels.dtype}",
            expected="whole numbers of shape (n,)",
            instead="one class number per image, counted from 0",
        )
    if len(labels) != len(pixels) or not len(labels):
        raise DataError(
            f"{what} has {len(pixels)} images and {len(labels)} labels",
            expected="one label per image, and at least one image",
            instead="arrays of the same length",
        )
    return Split(ArrayImages(pixels), torch.from_numpy(labels.astype(np.int64)))


def to_bytes(images: NDArray[Any], what: str) -> Tensor:
    """Arrays of any usual shape as uint8 (n, 3, H, W); grey becomes RGB."""
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=-1)
    for axis in (3, 1):
        if images.ndim == 4 and images.shape[axis] == 1 and 3 not in (images.shape[1], images.shape[3]):
            images = np.repeat(images, 3, axis=axis)
    channels_last = images.ndim == 4 and images.shape[-1] == 3
    channels_first = images.ndim == 4 and images.shape[1] == 3
    if not (channels_last or channels_first) or 0 in images.shape[1:]:
        raise DataError(
            f"the images of {what} have shape {images.shape}",
            expected=SHAPES,
            instead="RGB images, 3 channels",
        )
    if np.issubdtype(images.dtype, np.floating):
        low, high = (float(images.min()), float(images.max())) if len(images) else (0.0, 0.0)
        if not (low >= 0 and high <= 1):
            raise DataError(
                f"the images of {what} are floats from {low:.3g} to {high:.3g}",
                expected=SHAPES,
                instead="the raw images (networks bring their own normalisation), or images / 255",
            )
        images = np.round(images * 255).astype(np.uint8)
    if images.dtype != np.uint8:
        raise DataError(
            f"the images of {what} are of type {images.dtype}",
            expected=SHAPES,
            instead="images.astype('uint8')",
        )
    tensor = torch.from_numpy(np.ascontiguousarray(images))
    return tensor.permute(0, 3, 1, 2).contiguous() if channels_last else tensor


def check_labels(splits: Mapping[str, Split | None], classes: int, what: str) -> None:
    """Every label must name a class. Raises DataError with the first that does not."""
    for name, split in splits.items():
        if split is None:
            continue
        outside = split.labels[(split.labels < 0) | (split.labels >= classes)]
        if len(outside):
            raise DataError(
                f"{len(outside)} labels of {what} ({name}) are outside the classes, the first is {int(outside[0])}",
                expected=f"labels from 0 to {classes - 1}",
                instead="labels counted from 0, one number per class",
            )
