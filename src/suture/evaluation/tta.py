"""Test-time augmentation: the mean answer over several views of each image."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from suture.errors import UsageError, nearest

CROP = 7 / 8


def answer(model: nn.Module, images: Tensor, tta: str = "none", *, several: bool = False) -> Tensor:
    """What a classifier says of images (n, 3, H, W), as (n, classes).

    ``none`` is its own logits, bit for bit. ``flip`` (the image and its mirror image) and ``crops`` (the corners and
    the centre, 7/8 of each side, brought back to the size of the image, and their mirror images) give the log of the
    mean of the probabilities over the views (Krizhevsky et al. 2012, section 4.1), whose softmax is that mean. With
    ``several`` labels an image the probabilities are sigmoids, and what comes back are their logits. Raises UsageError.
    """
    make = views(tta)
    if tta == "none":
        logits: Tensor = model(images)
        return logits
    seen = torch.stack([model(view) for view in make(images)]).float()
    if several:
        yes, no = (F.logsigmoid(sign * seen).logsumexp(0) for sign in (1, -1))
        return yes - no
    return seen.log_softmax(-1).logsumexp(0).log_softmax(-1)


def views(tta: str) -> Callable[[Tensor], Iterator[Tensor]]:
    """What makes the views of a batch, by name. Raises UsageError."""
    if tta not in VIEWS:
        raise UsageError(
            f"there is no test-time augmentation {tta!r}",
            expected=f"one of {', '.join(VIEWS)}",
            instead=nearest(tta, VIEWS, 1)[0],
        )
    return VIEWS[tta]


def _none(images: Tensor) -> Iterator[Tensor]:
    yield images


def _flip(images: Tensor) -> Iterator[Tensor]:
    yield images
    yield images.flip(-1)


def _crops(images: Tensor) -> Iterator[Tensor]:
    whole = images.shape[-2:]
    height, width = (max(1, round(CROP * side)) for side in whole)
    down, right = whole[0] - height, whole[1] - width
    for top, left in ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)):
        crop = images[..., top : top + height, left : left + width]
        yield from _flip(F.interpolate(crop, whole, mode="bilinear", align_corners=False))


VIEWS = {"none": _none, "flip": _flip, "crops": _crops}
