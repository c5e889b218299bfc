"""The wrong answers that a classifier was surest of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 20


@dataclass(frozen=True)
class Mistake:
    """``confidence`` is the probability of the ``answer``, ``truth_probability`` that of the ``truth``."""

    index: int
    name: str
    truth: str
    answer: str
    confidence: float
    truth_probability: float


def mistakes(
    probabilities: NDArray[np.float64],
    answers: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    names: Sequence[str] | None = None,
    most: int = MOST,
) -> tuple[Mistake, ...]:
    """The ``most`` confident of them, from probabilities (n, k), answers (n,) and labels (n,).

    ``names`` are those of the images; without them they are numbers.
    """
    wrong = (answers != labels).nonzero()[0]
    sure = probabilities[wrong, answers[wrong]]
    worst = wrong[np.argsort(-sure, kind="stable")][:most]
    return tuple(
        Mistake(
            int(i),
            names[i] if names is not None else str(i),
            classes[labels[i]],
            classes[answers[i]],
            float(probabilities[i, answers[i]]),
            float(probabilities[i, labels[i]]),
        )
        for i in worst
    )
