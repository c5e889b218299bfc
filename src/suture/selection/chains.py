"""Which chains are worth scoring: all first joins, then all ways to go on from the best few.

A beam search. The score of a chain so far is that of a whole network, as its last network runs to its end.
"""

from collections.abc import Callable
from dataclasses import dataclass

from suture.selection.pairs import Grid, PairScore
from suture.spec.at import At, spelled


@dataclass(frozen=True)
class ChainScore:
    """Where networks are joined, and what the score of the last join says of them all."""

    at: At
    score: PairScore

    @property
    def name(self) -> str:
        return spelled(self.at)


@dataclass(frozen=True)
class Explored:
    """``grids`` holds, by the joins before them, the scores of all ways to join the next network."""

    grids: dict[At, Grid]

    @property
    def joins(self) -> int:
        return 1 + max(len(before) for before in self.grids)

    @property
    def chains(self) -> tuple[ChainScore, ...]:
        """All that join every network."""
        return _after(self.grids, self.joins - 1)

    @property
    def cost_fpe(self) -> float:
        return sum(grid.cost_fpe for grid in self.grids.values())

    def best(self, count: int) -> tuple[ChainScore, ...]:
        """The chains whose untrained stitch is most accurate; among equals the lower cross-entropy."""
        return tuple(_ranked(self.chains)[:count])

    def find(self, at: At) -> ChainScore:
        return next(chain for chain in self.chains if chain.at == at)


def explore(even: At, width: int, score: Callable[[At], Grid], goes_on: Callable[[At], bool]) -> Explored:
    """Score all ways to make the first join; then, join by join, all ways to go on from the ``width`` best.

    ``score`` gives the grid of the next join after those given, and ``goes_on`` says whether there is one. The chain
    ``even`` is gone on from whatever its score, so that there is something to compare with.
    """
    grids: dict[At, Grid] = {}
    starts: list[At] = [()]
    for done in range(len(even)):
        grids |= {start: score(start) for start in starts}
        best = [chain.at for chain in _ranked(_after(grids, done)) if done + 1 < len(even) and goes_on(chain.at)]
        starts = list(dict.fromkeys([*best[:width], even[: done + 1]]))
    return Explored(grids)


def _after(grids: dict[At, Grid], done: int) -> tuple[ChainScore, ...]:
    return tuple(
        ChainScore((*before, (pair.a, pair.b)), pair)
        for before, grid in grids.items()
        if len(before) == done
        for pair in grid.pairs
    )


def _ranked(chains: tuple[ChainScore, ...]) -> list[ChainScore]:
    return sorted(chains, key=lambda chain: (-chain.score.accuracy, chain.score.cross_entropy))
