"""How much the numbers of a split would differ, had other images been drawn: percentile bootstrap intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RESAMPLES, FEWEST = 1000, 100
WORK = 10**8
ROOM = 2**20
TAIL = 2.5


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of the values over ``resamples`` drawings of the images, with replacement (Efron 1979).

    Too narrow of few images: where all answers are right, or all wrong, every drawing says so and both ends are the
    same, though of n images without a mistake up to 3 / n of all others may well be mistaken.
    """

    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class Intervals:
    """Of an ``auc`` there is none where it is not known, and none of so many images and classes (more than a million)
    that not even 100 resamples can be ranked; of many there are fewer than 1000.
    """

    accuracy: Interval
    macro_f1: Interval
    macro_auc: Interval | None


def intervals(probabilities: Floats, labels: Ints, confusion: Ints, seed: int = 0) -> Intervals:
    """From probabilities (n, k), labels (n,) and the counts (k, k) of truth (rows) and answers.

    The means over classes are, in every resample, over the classes that are in it.
    """
    random = np.random.default_rng(seed)
    accuracy, f1 = _counted(confusion, random)
    ranked = min(RESAMPLES, WORK // probabilities.size)
    macro_auc = _macro_aucs(probabilities, labels, ranked, random) if ranked >= FEWEST else np.empty(0)
    return Intervals(_middle(accuracy), _middle(f1), _middle(macro_auc) if len(macro_auc) else None)


def _middle(values: Floats) -> Interval:
    low, high = np.percentile(values, (TAIL, 100 - TAIL))
    return Interval(float(low), float(high), len(values))


def _counted(confusion: Ints, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Accuracy and macro F1 of every resample.

    They depend on the counts alone, and the counts of images drawn with replacement are multinomial.
    """
    rows, columns = confusion.nonzero()
    n = int(confusion.sum())
    drawn = random.multinomial(n, confusion[rows, columns] / n, size=RESAMPLES)
    support, predicted, right = (np.zeros((RESAMPLES, len(confusion))) for _ in range(3))
    for cell, (truth, answer) in enumerate(zip(rows, columns, strict=True)):
        support[:, truth] += drawn[:, cell]
        predicted[:, answer] += drawn[:, cell]
        if truth == answer:
            right[:, truth] = drawn[:, cell]
    f1 = 2 * right / np.maximum(support + predicted, 1)
    return right.sum(1) / n, f1.sum(1) / (support > 0).sum(1)


def _macro_aucs(probabilities: Floats, labels: Ints, resamples: int, random: np.random.Generator) -> Floats:
    """The mean over the classes that have an AUC, of every resample in which one has."""
    n, k = probabilities.shape
    sides = [_Side(probabilities[:, c], labels == c) for c in range(k) if 0 < (labels == c).sum() < n]
    if not sides:
        return np.empty(0)
    found = []
    size = max(1, ROOM // n)
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = random.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)
        total, known = np.zeros(count), np.zeros(count)
        for side in sides:
            area, pairs = side.area(weights)
            total += np.divide(area, pairs, out=np.zeros(count), where=pairs > 0)
            known += pairs > 0
        found.append(total[known > 0] / known[known > 0])
    return np.concatenate(found)


class _Side:
    """The images in the order of their scores for one class, sorted once for all resamples."""

    def __init__(self, scores: Floats, positive: NDArray[np.bool_]) -> None:
        order = np.argsort(scores)
        ordered = scores[order]
        first = np.concatenate([[True], ordered[1:] > ordered[:-1]])
        group = np.cumsum(first)
        self.no, self.yes = order[~positive[order]], order[positive[order]]
        no_groups, yes_groups = group[~positive[order]], group[positive[order]]
        self.below = np.searchsorted(no_groups, yes_groups, side="left")
        self.level = np.searchsorted(no_groups, yes_groups, side="right")

    def area(self, weights: Floats) -> tuple[Floats, Floats]:
        """How many pairs (positive, negative) are in the right order, ties counting half, and how many there are.

        ``weights`` (r, n) says how often each image was drawn.
        """
        yes, total = weights[:, self.yes], np.zeros((len(weights), len(self.no) + 1))
        np.cumsum(weights[:, self.no], axis=1, out=total[:, 1:])
        area = (yes * (total[:, self.below] + total[:, self.level])).sum(1) / 2
        return area, yes.sum(1) * total[:, -1]
