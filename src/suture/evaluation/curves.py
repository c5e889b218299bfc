"""ROC and precision-recall curves, one class against the rest, and what lies under them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MOST = 200
DIGITS = 6


@dataclass(frozen=True)
class Curve:
    """Points (x, y) of a curve, at most 200 of them, spread along its length, both ends among them."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Curves:
    """``micro`` pools all (image, class) pairs; ``macro`` is the mean of the classes' curves; ``classes`` each one.

    None where there is no such curve: of classes with no image in the split or with all of them, and of the mean of
    precision-recall curves, between whose points one cannot draw lines.
    """

    micro: Curve | None
    macro: Curve | None
    classes: tuple[Curve | None, ...]


@dataclass(frozen=True)
class Ranked:
    """All that the order of the scores tells: curves, and the areas under them, exact."""

    roc: Curves
    precision_recall: Curves
    aucs: tuple[float | None, ...]
    average_precisions: tuple[float | None, ...]
    micro_auc: float | None
    micro_average_precision: float | None


def ranked(probabilities: Floats, labels: NDArray[np.int64]) -> Ranked:
    """Curves and areas from probabilities (n, k) and labels (n,).

    The area under a precision-recall curve is the average precision, without interpolation. The mean ROC curve is
    that of the true positive rates at equal false positive rates (Fawcett 2006, "An introduction to ROC analysis").
    """
    truth = labels[:, None] == np.arange(probabilities.shape[1])
    found = [_side(truth[:, c], probabilities[:, c]) for c in range(truth.shape[1])]
    known = [side.roc for side in found if side.roc]
    micro = _side(truth.ravel(), probabilities.ravel()) if known else _Side()
    return Ranked(
        Curves(micro.roc, _mean(known), tuple(side.roc for side in found)),
        Curves(micro.precision_recall, None, tuple(side.precision_recall for side in found)),
        tuple(side.auc for side in found),
        tuple(side.average_precision for side in found),
        micro.auc,
        micro.average_precision,
    )


@dataclass(frozen=True)
class _Side:
    """Of one class against the rest; all None where all images are of the class, or none is."""

    roc: Curve | None = None
    precision_recall: Curve | None = None
    auc: float | None = None
    average_precision: float | None = None


def _side(positive: Bools, scores: Floats) -> _Side:
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    if positive.all() or not positive.any():
        return _Side()
    false, true, _ = roc_curve(positive, scores)
    precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
    return _Side(
        thinned(false, true),
        thinned(recall[::-1], precision[::-1]),
        float(auc(false, true)),
        float(average_precision_score(positive, scores)),
    )


def thinned(x: Floats, y: Floats, most: int = MOST) -> Curve:
    """At most ``most`` of the points, spread along the length of the curve; the first and the last stay."""
    if len(x) > most:
        length = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        kept = np.searchsorted(length, np.linspace(0, length[-1], most))
        kept = np.unique(np.concatenate([[0], kept[1:-1], [len(x) - 1]]))
        x, y = x[kept], y[kept]
    return Curve(*(tuple(float(value) for value in np.round(side, DIGITS)) for side in (x, y)))


def _mean(curves: Sequence[Curve]) -> Curve | None:
    if not curves:
        return None
    grid = np.linspace(0, 1, MOST - 1)
    heights = np.mean([np.interp(grid, curve.x, curve.y) for curve in curves], axis=0)
    return thinned(np.concatenate([[0], grid]), np.concatenate([[0], heights]))
