"""Permutation tests: how often samples that are paired at random are as similar."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from suture.measures.measure import Measure


def p_values(observed: Mapping[Measure, float], x: Any, y: Any, orders: Sequence[Tensor]) -> dict[Measure, float]:
    """Of ``observed``, values of measures of one family and its sides x and y, how rare they are under the null.

    That is (1 + how many of ``orders``, of the rows of Y, are as similar) / (1 + all of them), so never 0: Phipson &
    Smyth 2010, "Permutation P-values Should Never Be Zero" (arXiv 1603.05766).
    """
    counts = dict.fromkeys(observed, 1)
    for order in orders if observed else ():
        family = next(iter(observed)).family
        moved = family.permuted(y, order)
        common = family.relate(x, moved)
        for measure, value in observed.items():
            found = float(measure.compare(x, moved, common))
            counts[measure] += found >= value if measure.higher_is_more_similar else found <= value
    return {measure: count / (1 + len(orders)) for measure, count in counts.items()}
