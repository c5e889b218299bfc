"""Checks that turn outside arrays into labelled images."""

from collections.abc import Mapping, Sequence
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
SMALL = 32


def to_split(images: NDArray[Any], labels: NDArray[Any], what: str) -> Split:
    """A split from raw arrays. Raises DataError for the wrong shape, type, range or count."""
    pixels = to_bytes(images, what)
    known = to_labels(labels, what)
    if len(known) != len(pixels) or not len(known):
        raise DataError(
            f"{what} has {len(pixels)} images and {len(known)} labels",
            expected="one label per image, and at least one image",
            instead="arrays of the same length",
        )
    return Split(ArrayImages(pixels), known)


def to_labels(labels: NDArray[Any], what: str) -> Tensor:
    """Whole numbers (n,) or (n, 1) as int64 (n,); 0 and 1 of any type (n, k), k > 1, as float32 (n, k), multi-label."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer):
        return torch.from_numpy(labels.astype(np.int64))
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        raise DataError(
            f"the labels of {what} have shape {labels.shape} and type {labels.dtype}",
            expected="whole numbers of shape (n,), or 0 and 1 of shape (n, k) for k attributes",
            instead="one class number per image, counted from 0, or one 0 or 1 per image and attribute",
        )
    strange = labels[(labels != 0) & (labels != 1)]
    if len(strange):
        raise DataError(
            f"{len(strange)} labels of {what} are neither 0 nor 1, the first is {strange[0]:g}",
            expected="0 and 1 only in labels of shape (n, k), for k attributes that an image has or has not",
            instead="labels > 0 for attributes told by their sign, or one class number per image, of shape (n,)",
        )
    return torch.from_numpy(labels.astype(np.float32))


def adapted(shape: Sequence[int]) -> str:
    """What becomes of images of a raw shape on their way into a network; empty for RGB of 32x32 or more."""
    height, width = shape[1:3] if len(shape) == 3 or shape[-1] in (1, 3) else shape[2:]
    grey = " become RGB" if 3 not in (shape[1], shape[-1]) or len(shape) == 3 else ""
    small = f"; networks for {SMALL}x{SMALL} enlarge them" if min(height, width) < SMALL else ""
    return f"{'grey ' if grey else ''}{height}x{width} images{grey}{small}" if grey or small else ""


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
    """Every label must name a class, or tell of every attribute. Raises DataError with the first that does not."""
    found = {name: split for name, split in splits.items() if split is not None}
    kinds = {name: tuple(split.labels.shape[1:]) for name, split in found.items()}
    if len(set(kinds.values())) > 1:
        told = {name: f"of {kind[0]} attributes" if kind else "of classes" for name, kind in kinds.items()}
        raise DataError(
            f"the labels of {what} are " + ", ".join(f"{kind} ({name})" for name, kind in told.items()),
            expected="the same kind of labels in every split",
            instead="shape (n,) everywhere, or shape (n, k) everywhere with the same k",
        )
    for name, split in found.items():
        if kinds[name]:
            _check_attributes(kinds[name][0], classes, what)
            continue
        outside = split.labels[(split.labels < 0) | (split.labels >= classes)]
        if len(outside):
            raise DataError(
                f"{len(outside)} labels of {what} ({name}) are outside the classes, the first is {int(outside[0])}",
                expected=f"labels from 0 to {classes - 1}",
                instead="labels counted from 0, one number per class",
            )


def _check_attributes(found: int, classes: int, what: str) -> None:
    if found != classes:
        raise DataError(
            f"the labels of {what} are of {found} attributes, and {classes} have names",
            expected="as many names as attributes",
            instead="an array classes with the name of each column of the labels, or none",
        )
