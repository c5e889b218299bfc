"""How well each of several yes-or-no attributes is told."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Attribute:
    """``accuracy`` is a share; ``auc`` the area under the ROC curve, None where all images have the same label."""

    accuracy: float
    auc: float | None


def attributes(logits: Tensor, labels: Tensor) -> tuple[Attribute, ...]:
    """One Attribute a column of logits (n, k) against labels (n, k) of 0 and 1."""
    truth = labels > 0.5
    shares = ((logits > 0) == truth).double().mean(0).tolist()
    columns = zip(shares, logits.unbind(1), truth.unbind(1), strict=True)
    return tuple(Attribute(share, auc(scores, wanted)) for share, scores, wanted in columns)


def auc(scores: Tensor, positive: Tensor) -> float | None:
    """The chance that a positive image scores above a negative one, ties counting half.

    The area under the ROC curve, from the ranks of ``scores`` (n,) (Hanley & McNeil 1982, "The meaning and use of the
    area under a receiver operating characteristic curve"). ``positive`` (n,) is bool; None where it has one value only.
    """
    yes = int(positive.sum())
    no = len(positive) - yes
    if not (yes and no):
        return None
    _, which, counts = scores.unique(return_inverse=True, return_counts=True)
    mean_rank = counts.cumsum(0) - (counts.double() - 1) / 2
    return float(mean_rank[which[positive]].sum() - yes * (yes + 1) / 2) / (yes * no)
