"""Whether two classifiers that saw the same images differ by more than chance."""

from dataclasses import dataclass
from math import comb

from torch import Tensor

from suture.evaluation.accuracy import Scores


@dataclass(frozen=True)
class Paired:
    """Images on which only one of two is right, and the chance of so uneven a share if neither were better."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first: Scores, second: Scores, labels: Tensor) -> Paired:
    """The exact, two-sided test of McNemar 1947 on predictions and labels (n,) of the same images.

    Under the null the images on which exactly one is right fall to either with probability one half. The test
    knows nothing of choices: it is for test images on which none was made. With labels (n, k), which are not
    independent within an image, an image falls to whichever has more of its labels right (the sign test).
    """
    right, other = (scores.correct(labels).reshape(len(labels), -1).sum(1) for scores in (first, second))
    won, lost = int((right > other).sum()), int((other > right).sum())
    tail = sum(comb(won + lost, k) for k in range(min(won, lost) + 1))
    return Paired(won, lost, min(1.0, 2 * tail / 2 ** (won + lost)))
