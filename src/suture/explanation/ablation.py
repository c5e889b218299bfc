"""What each backbone of a fusion is worth: the answer without what it alone knows of an image."""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.data.cache import cache_activations
from suture.data.dataset import Split
from suture.errors import PlanError
from suture.graph import Network, untouched
from suture.hybrids import Fusion


@dataclass(frozen=True)
class BranchShare:
    """What is lost when a backbone gives the same features for every image.

    ``accuracy_drop`` is a share of the images, ``cross_entropy_rise`` in nats an image; either may be below 0.
    ``share`` is that of the rises of all backbones, none counted below 0; None where no backbone is missed.
    """

    accuracy_drop: float
    cross_entropy_rise: float
    share: float | None


def branch_shares(fusion: Fusion | Network, split: Split, *, device: Any = "cpu") -> dict[str, BranchShare]:
    """The share of each backbone, by the name of its part, on all images of a split.

    Its features are replaced by their mean over the split, one backbone at a time (mean ablation). Backbones that know
    the same are each missed little, so shares tell what a backbone adds to the others, not what it could do alone. With
    several labels an image, accuracy and (binary) cross-entropy are means over images and attributes. Raises PlanError
    for any network but a fusion.
    """
    body = fusion.body if isinstance(fusion, Network) else fusion
    if not isinstance(body, Fusion):
        raise PlanError(
            f"a {type(body).__name__} has no backbones side by side",
            expected="a network that suture fuse made",
            instead="suture fuse A B, or suture explain without shares",
        )
    body.to(device)
    with untouched(body, False), torch.inference_mode():
        kept = cache_activations(body.encoder, split, device=device)
        if kept is None:
            raise PlanError(
                "the features of all images are too large to be kept",
                expected="features that fit on the disk",
                instead="fewer images",
            )
        widths = [prod(shape) for shape in body.shapes]
        before = _scored(body, kept.values, split.labels, None, device)
        after = {}
        for number, (name, width) in enumerate(zip(body.pretrained, widths, strict=True)):
            start = sum(widths[:number])
            after[name] = _scored(body, kept.values, split.labels, slice(start, start + width), device)
    rises = {name: found[1] - before[1] for name, found in after.items()}
    total = sum(max(rise, 0.0) for rise in rises.values())
    return {
        name: BranchShare(before[0] - after[name][0], rise, max(rise, 0.0) / total if total > 0 else None)
        for name, rise in rises.items()
    }


def _scored(
    fusion: Fusion, features: Tensor, labels: Tensor, columns: slice | None, device: Any
) -> tuple[float, float]:
    """Accuracy and cross-entropy where ``columns`` are the same for all images."""
    mean = features[:, columns].mean(0) if columns else None
    tail, logits = fusion.tail, []
    for rows in features.split(256):
        if columns:
            rows = rows.clone()
            rows[:, columns] = mean
        logits.append(tail(rows.to(device)).double().cpu())
    found = torch.cat(logits)
    if labels.ndim == 2:
        right = (found > 0) == labels.bool()
        return right.double().mean().item(), F.binary_cross_entropy_with_logits(found, labels.double()).item()
    return (found.argmax(1) == labels).double().mean().item(), F.cross_entropy(found, labels).item()
