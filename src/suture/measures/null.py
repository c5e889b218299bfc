"""Permutation tests: how often samples that are paired at random are as similar."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from suture.measures.measure import Measure

# Values that are equal but for rounding, in the largest of them, are as similar as each other.
ROUNDING = 1e-7


def shuffled(images: int, points: int, generator: torch.Generator) -> Tensor:
    """An order of (images · points) rows: those of an image stay together, as they are not independent of each other.

    Winkler et al. 2015, "Multi-level block permutation" (NeuroImage 123).
    """
    order = torch.randperm(images, generator=generator)
    return (points * order[:, None] + torch.arange(points)).flatten()


def p_values(observed: Mapping[Measure, float], x: Any, y: Any, orders: Sequence[Tensor]) -> dict[Measure, float]:
    """Of ``observed``, values of measures of one family and its sides x and y, how rare they are under the null.

    That is (1 + how many of ``orders``, of the rows of Y, are as similar) / (1 + all of them), so never 0: Phipson &
    Smyth 2010, "Permutation P-values Should Never Be Zero" (arXiv 1603.05766).
    """
    found = {measure: [value] for measure, value in observed.items()}
    for order in orders if observed else ():
        family = next(iter(observed)).family
        moved = family.permuted(y, order)
        common = family.relate(x, moved)
        for measure, values in found.items():
            values.append(float(measure.compare(x, moved, common)))
    return {measure: _share(values, measure.higher_is_more_similar) for measure, values in found.items()}


def _share(values: Sequence[float], higher: bool) -> float:
    """Of all values, the share that is as similar as the first."""
    slack = ROUNDING * max(map(abs, values))
    alike = [value >= values[0] - slack if higher else value <= values[0] + slack for value in values]
    return sum(alike) / len(values)
