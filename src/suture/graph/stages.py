"""The stages of a network: the parts between the places where the resolution falls."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from suture.graph.penultimate import penultimate
from suture.graph.traced import Traced
from suture.spec.cut import Cut

GROUPS: Final = 4
_FALL: Final = 1.5


def stages(traced: Traced, end: Cut | None = None) -> tuple[Cut, ...]:
    """The cuts that end the stages of a network, in order; the last is ``end``, by default the penultimate cut.

    A stage ends with the last block cut before the resolution falls: of a ResNet they are the stem, ``layer1`` to
    ``layer4``, whose last one goes on to ``end``. A fall is to two thirds of the rows or less; fewer rows for want of
    padding are none, nor is pooling all to one cell. Where the resolution never falls, as in a ViT, they are four
    groups of as many block cuts each, the first with what is over; fewer where there are fewer cuts. Every stage has
    parameters.
    """
    end = end or penultimate(traced)
    fine = traced.cuts(fine=True)
    names = [cut.name for cut in fine]
    way = [*(cut for cut in fine[: names.index(end.name)] if cut.block), end]
    falls = [cut for cut, later in pairwise(way) if _falls(fine[names.index(cut.name) : names.index(later.name) + 1])]
    falls = _with_parameters(falls, end)
    return tuple(falls) if len(falls) > 1 else _groups(_with_parameters(way[:-1], end))


def _falls(way: Sequence[Cut]) -> bool:
    """Whether the resolution falls on the way from one block cut to the next, by more than pooling to one cell."""
    first, *others = way
    below = [cut for cut in others if first.grid and cut.grid and cut.grid[0] * _FALL <= first.grid[0]]
    return bool(below) and (below[0].grid != (1, 1) or below[0].params_before > first.params_before)


def _with_parameters(cuts: Sequence[Cut], end: Cut) -> list[Cut]:
    """``cuts`` and ``end``, less those that only pooling and the like part from the next."""
    return [*(cut for cut, later in pairwise([*cuts, end]) if 0 < cut.params_before < later.params_before), end]


def _groups(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
    size = max(1, len(cuts) // GROUPS)
    return tuple(cuts[-1 - size * k] for k in reversed(range(min(GROUPS, len(cuts)))))
