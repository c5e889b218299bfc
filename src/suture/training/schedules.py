"""Learning rates as pure functions of how far training has come."""

import math
from collections.abc import Callable

from suture.spec.stage import Stage

WARM_UP = 0.3


def constant(_progress: float) -> float:
    return 1.0


def cosine(progress: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts).

    Past 1 it rises again, as torch's CosineAnnealingLR does past its T_max.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """A tenth after one third, a hundredth after two thirds: that of arXiv 2110.14633 for the networks it trains."""
    return 0.1 ** min(int(3 * progress), 2)


def one_cycle(progress: float) -> float:
    """Up to 1 over the first 30 %, then down to 0, both along a cosine (Smith & Topin 2018, arXiv 1708.07120)."""
    if progress < WARM_UP:
        return 0.04 + 0.96 * (1 - cosine(progress / WARM_UP))
    return cosine((progress - WARM_UP) / (1 - WARM_UP))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "one-cycle": one_cycle,
    "step": step,
}


def factor(stage: Stage, epoch: int, step: int, steps: int) -> float:
    """What the rates are multiplied by in ``step`` of ``steps`` in ``epoch``, both counted from 0.

    A schedule runs over the period of the stage, or over all its epochs; moved every epoch it stays within one what it
    was at its start.
    """
    done = epoch * steps + (step if stage.schedule_by == "step" else 0)
    return SCHEDULES[stage.schedule](done / max((stage.period or stage.epochs) * steps, 1))
