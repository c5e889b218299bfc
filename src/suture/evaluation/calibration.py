"""Whether a classifier is as often right as it is sure, and one number that makes it so."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is above ``low`` and at most ``high``; means are None where there are none."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None

    @property
    def gap(self) -> float:
        """Between confidence and accuracy; 0 of an empty bin."""
        return abs((self.confidence or 0.0) - (self.accuracy or 0.0))


@dataclass(frozen=True)
class Calibration:
    """``ece`` and ``mce`` are the mean (by images) and the greatest gap between confidence and accuracy over bins.

    Of 15 bins of equal width (Guo et al. 2017, arXiv 1706.04599, equations 3 and 5). ``brier`` is the squared distance
    of the probabilities from the truth, summed over classes, so from 0 to 2 (Brier 1950); ``nll`` nats per image.
    """

    ece: float
    mce: float
    brier: float
    nll: float
    bins: tuple[Bin, ...]


def calibration(logits: Tensor, labels: Tensor) -> Calibration:
    """Of logits (n, k) and labels (n,)."""
    logs = logits.double().log_softmax(1)
    probabilities = logs.exp()
    answers = logits.argmax(1)
    bins = _bins(probabilities.gather(1, answers[:, None])[:, 0].numpy(), (answers == labels).numpy())
    gaps = [(one.count, one.gap) for one in bins]
    apart = (probabilities - F.one_hot(labels, logits.shape[1])).square().sum(1)
    return Calibration(
        sum(count * gap for count, gap in gaps) / len(labels),
        max(gap for _, gap in gaps),
        apart.mean().item(),
        F.nll_loss(logs, labels).item(),
        bins,
    )


def _bins(sure: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    edges = np.linspace(0, 1, BINS + 1)
    which = np.digitize(np.minimum(sure, 1), edges[1:-1], right=True)
    found = []
    for number, (low, high) in enumerate(pairwise(edges)):
        inside = which == number
        count = int(inside.sum())
        means = (float(values[inside].mean()) if count else None for values in (sure, right))
        found.append(Bin(float(low), float(high), count, *means))
    return tuple(found)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number from 0.05 to 20 that logits (n, k) must be divided by for the least cross-entropy with labels (n,).

    Temperature scaling (Guo et al. 2017, section 4.2), for validation images that nothing was learned from. It changes
    no answer. Above 1 the classifier was too sure of itself. Where every answer is right the bound is found.
    """
    from scipy.optimize import minimize_scalar

    exact = logits.double()

    def surprise(log_temperature: float) -> float:
        return F.cross_entropy(exact / math.exp(log_temperature), labels).item()

    bounds = math.log(COLDEST), math.log(HOTTEST)
    found = minimize_scalar(surprise, bounds=bounds, method="bounded")  # type: ignore[no-untyped-call]
    return min(max(math.exp(float(found.x)), COLDEST), HOTTEST)


def as_probabilities(logits: Tensor) -> NDArray[np.float64]:
    """The softmax of logits (n, k), in float64."""
    return torch.softmax(logits.double(), 1).numpy()
