"""How well each class is told from all others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ClassScores:
    """One class against the rest; all but counts are shares.

    Of a class without an image in the split only ``specificity`` is known. ``auc`` (ROC) and ``average_precision``
    are None also where all images are of the class. A class that is never predicted has precision 0.
    """

    name: str
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    specificity: float | None
    auc: float | None
    average_precision: float | None


@dataclass(frozen=True)
class Averages:
    """Over the classes that have a value; None where none has."""

    precision: float | None
    recall: float | None
    f1: float | None
    auc: float | None
    average_precision: float | None


MEASURED = ("precision", "recall", "f1", "auc", "average_precision")


def per_class(
    confusion: Ints, names: Sequence[str], aucs: Sequence[float | None], precisions: Sequence[float | None]
) -> tuple[ClassScores, ...]:
    """Scores of every class from counts (k, k), truth in rows; ``aucs`` and average ``precisions`` are added."""
    support, predicted, right = confusion.sum(1), confusion.sum(0), confusion.diagonal()
    n = int(confusion.sum())
    found = []
    for c, name in enumerate(names):
        images, said, both = int(support[c]), int(predicted[c]), int(right[c])
        others = n - images
        found.append(
            ClassScores(
                name,
                images,
                said,
                both / max(said, 1) if images else None,
                both / images if images else None,
                2 * both / (images + said) if images else None,
                1 - (said - both) / others if others else None,
                aucs[c],
                precisions[c],
            )
        )
    return tuple(found)


def averages(scores: Sequence[ClassScores], *, weighted: bool = False) -> Averages:
    """The mean over classes that have a value, ``weighted`` by their images or each alike (macro)."""
    means: list[float | None] = []
    for what in MEASURED:
        known = [(getattr(one, what), one.support if weighted else 1) for one in scores]
        known = [(value, weight) for value, weight in known if value is not None]
        total = sum(weight for _, weight in known)
        means.append(sum(value * weight for value, weight in known) / total if total else None)
    return Averages(*means)
