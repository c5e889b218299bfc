"""How far a training has come, which of its epochs is the best, and whether it still gets better."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

Epoch = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """How a training went: a record an epoch, and ``kept``, the epoch with whose weights it ended.

    That is 0 for the weights it began with; ``start`` is what validation said of those, where it was asked.
    """

    history: list[Epoch]
    kept: int
    start: Epoch = field(default_factory=dict)

    @property
    def last(self) -> Epoch:
        """The record of the weights that are there now; of those it began with only what validation said."""
        return self.history[self.kept - 1] if self.kept else self.start


@dataclass
class Progress:
    """What a training goes on from beside its weights: ``best`` are the tensors that moved, at the best epoch.

    ``monitor`` is the number on validation that tells which epoch is better: ``accuracy`` or ``cross_entropy``.
    """

    history: list[Epoch] = field(default_factory=list)
    start: Epoch = field(default_factory=dict)
    best: Mapping[str, Tensor] = field(default_factory=dict)
    monitor: str = "accuracy"

    @property
    def best_epoch(self) -> int:
        """The epoch that is best by ``monitor``, of equal ones that which the other number prefers, else the first."""
        scored = {number: told for number, told in self._told.items() if "val_accuracy" in told}
        return max(scored, key=lambda number: self._rank(scored[number]), default=len(self.history))

    def stalled(self, patience: int | None) -> bool:
        """Whether none of the last ``patience`` epochs was better than the best before them."""
        if patience is None:
            return False
        scores = [self._rank(told)[0] for told in self._told.values() if told]
        return len(scores) > patience and max(scores[-patience:]) <= max(scores[:-patience])

    @property
    def _told(self) -> dict[int, Epoch]:
        return dict(enumerate([self.start, *self.history]))

    def _rank(self, told: Epoch) -> tuple[float, float]:
        accuracy, surprise = told["val_accuracy"], -told.get("val_cross_entropy", 0.0)
        return (accuracy, surprise) if self.monitor == "accuracy" else (surprise, accuracy)
