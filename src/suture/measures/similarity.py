"""What a comparison finds: one measure of every pair of layers, labelled."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from suture.errors import MeasureError
from suture.measures.measure import Estimator, Stream
from suture.spec.compare import SpatialHandling

if TYPE_CHECKING:
    from pandas import DataFrame

Values = tuple[tuple[float | None, ...], ...]


class Match(NamedTuple):
    """A layer of A, the layer of B most like it, and how like."""

    a: str
    b: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """One measure of n samples: ``values`` are rows of ``layers_a`` by columns of ``layers_b``.

    None stands for a pair that the measure cannot compare, or that was not asked for. ``origin_a`` and ``origin_b``
    name the networks. Which variant of the measure it is say ``estimator``, ``streams`` (both as in ``Measure``),
    ``batch``, the rows of a batch where it goes by batches, and ``spatial``, what was done with maps. ``p_values`` are,
    like ``values``, the shares of ``permutations`` of the images of B (and the values themselves) that are as similar;
    of a measure that goes by batches they are of the images within each.
    """

    measure: str
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    values: Values
    higher_is_more_similar: bool
    n: int
    estimator: Estimator | None = None
    streams: Stream | None = None
    batch: int | None = None
    spatial: SpatialHandling = "flatten"
    origin_a: str = "A"
    origin_b: str = "B"
    p_values: Values | None = None
    permutations: int = 0

    def value(self, a: str, b: str) -> float | None:
        """Of a layer of A and one of B. Raises MeasureError for a layer that was not compared."""
        for name, known, side in ((a, self.layers_a, "A"), (b, self.layers_b, "B")):
            if name not in known:
                raise MeasureError(
                    f"{name!r} is no layer of {side} that was compared",
                    expected=f"one of {', '.join(known)}",
                    instead=f"value({self.layers_a[0]!r}, {self.layers_b[0]!r})",
                )
        return self.values[self.layers_a.index(a)][self.layers_b.index(b)]

    def best_match(self) -> tuple[Match | None, ...]:
        """For each layer of A, in order, the layer of B most like it; None where it compares with none."""
        better = max if self.higher_is_more_similar else min
        found: list[Match | None] = []
        for a, row in zip(self.layers_a, self.values, strict=True):
            known = [Match(a, b, value) for b, value in zip(self.layers_b, row, strict=True) if value is not None]
            found.append(better(known, key=lambda match: match.value) if known else None)
        return tuple(found)

    def to_dataframe(self) -> "DataFrame":
        """A pandas DataFrame, layers of A by layers of B, nan for None. Raises MeasureError without pandas."""
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MeasureError(
                "pandas is not installed",
                expected="it, for a DataFrame",
                instead="pip install suture[pandas], or .values, .layers_a and .layers_b",
            ) from error
        return DataFrame(list(self.values), index=list(self.layers_a), columns=list(self.layers_b), dtype=float)
