"""What labels ask of logits: cross-entropy or focal loss, smoothed, with a weight for each class."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from suture.errors import PlanError
from suture.spec.stage import Stage

Criterion = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]
"""(logits, labels, known) to a loss, the mean over images. ``known`` holds, of the same images, what an objective wants
of the parents: their logits ``a`` and ``b``, and B's own activations at the ``cut`` and at its ``penultimate``
features."""
BETA = 0.999
LEAST = 1e-7


def hard(stage: Stage, counts: Tensor | None = None) -> Criterion:
    """The loss of ``stage`` for labels (n,) or, yes or no, (n, k), in nats.

    It is the mean over images of w_y · (1 − p_y)^γ · CE: γ is 0 but for the focal loss, p_y the probability of the
    label, CE the cross-entropy with the smoothed label, w_y the weight of the label's class. Divided by the number of
    images and not, as torch's cross_entropy is, by their weights, it adds up over batches. Of several labels an
    image it is the mean over all of them, of binary cross-entropies. ``counts`` (k,) are the training images of each
    class, None where an image has several labels. Raises PlanError where classes cannot be weighed.
    """
    weights = _weights(stage, counts)
    gamma, smoothing = stage.focal_gamma if stage.loss == "focal" else None, stage.label_smoothing

    def loss(logits: Tensor, labels: Tensor, known: Mapping[str, Tensor]) -> Tensor:
        del known
        if labels.ndim == 2:
            each = F.binary_cross_entropy_with_logits(logits, labels + smoothing * (0.5 - labels), reduction="none")
            missed = torch.where(labels > 0.5, -logits, logits).sigmoid()
        else:
            each = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
            missed = 1 - logits.softmax(1).gather(1, labels[:, None])[:, 0]
        if gamma is not None:
            each = each * missed.clamp_min(LEAST) ** gamma  # at 0 a power below 1 has no slope
        if weights is not None:
            each = each * weights.to(each.device)[labels]
        return each.mean()

    return loss


def class_weights(kind: str, counts: Tensor) -> Tensor:
    """Weights (k,) of classes with ``counts`` images; a class without any gets 0 and does not count in k.

    ``balanced``: n / (k · n_c), so that their mean over images is 1. ``effective``: one over the effective number of
    images, (1 − β) / (1 − β^n_c) with β = 0.999, scaled so that their mean over classes is 1 (Cui et al. 2019,
    "Class-Balanced Loss Based on Effective Number of Samples", arXiv 1901.05555, equation 2).
    """
    present, sizes = counts > 0, counts.double()
    if kind == "balanced":
        weights = sizes.sum() / (present.sum() * sizes)
    else:
        weights = (1 - BETA) / (1 - BETA**sizes)
        weights = weights * present.sum() / weights[present].sum()
    return torch.where(present, weights, 0.0).float()


def _weights(stage: Stage, counts: Tensor | None) -> Tensor | None:
    if stage.class_weights == "none":
        return None
    if counts is None:
        raise PlanError(
            f"class weights {stage.class_weights} for images with several labels each",
            expected="data with one class an image",
            instead="--class-weights none, or --loss focal",
        )
    return class_weights(stage.class_weights, counts)
