"""Which images two classifiers are right on: the same ones, or others."""

from dataclasses import asdict, dataclass

from torch import Tensor

from suture.evaluation.accuracy import Scores


@dataclass(frozen=True)
class Overlap:
    """Counts of images; with several labels an image, of its labels."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def shares(self) -> dict[str, float]:
        """The counts by name, as shares of all."""
        counts = asdict(self)
        return {name: count / sum(counts.values()) for name, count in counts.items()}


def overlap(first: Scores, second: Scores, labels: Tensor) -> Overlap:
    """How often both, one or neither of two is right; predictions and labels, (n,) or (n, k), of the same images.

    Raises DataError where they are not of the same images.
    """
    right, other = first.correct(labels), second.correct(labels)
    won, lost = right & ~other, other & ~right
    counts = (right & other, won, lost, ~(right | other))
    return Overlap(*(int(where.sum()) for where in counts))
