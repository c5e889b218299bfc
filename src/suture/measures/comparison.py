"""What is to be compared: which layers, by which measures, on how many samples; and what that takes."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import gcd
from typing import Literal

from suture.errors import MeasureError
from suture.measures.functional import moments
from suture.measures.functional.minibatch import MOST
from suture.measures.layers import Layers
from suture.measures.measure import Family, Measure
from suture.measures.spatial import Rows, rows_of, width
from suture.runs import Watch
from suture.spec.compare import SpatialHandling

MEMORY = 2 * 2**30
Pair = tuple[str, str]
Way = Literal["batches", "moments", "entries", "rows"]


@dataclass(frozen=True)
class Comparison:
    """Which layers of ``a`` and ``b`` are compared by which measures, on so many images.

    Without ``pairs`` that is every layer of one with every layer of the other; a pair that a measure cannot compare
    is then None. A pair that is named must be comparable. ``spatial`` says what a sample is, and ``points`` how many
    positions of an image are samples where they are positions, drawn by ``seed``. With ``permutations``, of images,
    every value has a p-value. ``watch`` hears of layers that say nothing. ``memory`` is how many bytes the activations
    of one pass may take, and what is kept of all layers.
    """

    a: Layers
    b: Layers
    measures: tuple[Measure, ...]
    images: int
    spatial: SpatialHandling = "flatten"
    points: int = 1
    pairs: tuple[Pair, ...] = ()
    permutations: int = 0
    seed: int = 0
    watch: Watch = field(default_factory=Watch)
    memory: int = MEMORY

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.images * self.points

    @cached_property
    def rows(self) -> tuple[dict[str, Rows | MeasureError], ...]:
        """How the layers of each side give rows, or why they cannot."""
        return tuple(
            {name: rows_of(shape, side.cuts[name], self.spatial) for name, shape in side.shapes.items()}
            for side in (self.a, self.b)
        )

    @cached_property
    def wanted(self) -> dict[str, list[Pair]]:
        """The pairs that each measure is asked for and takes.

        Raises MeasureError for a named pair that a measure does not take, and where no measure takes any.
        """
        found: dict[str, list[Pair]] = {}
        refused: dict[tuple[str, Pair], MeasureError] = {}
        asked = self.pairs or tuple((x, y) for x in self.a.shapes for y in self.b.shapes)
        for measure in self.measures:
            found[measure.name] = []
            for pair in asked:
                error = self._refusal(measure, pair)
                if error is None:
                    found[measure.name].append(pair)
                else:
                    refused[measure.name, pair] = error
        if refused and (self.pairs or not any(found.values())):
            (_, (x, y)), error = min(refused.items(), key=lambda item: 0 if self.pairs else self._size(item[0][1]))
            raise error.of(f"{x}:{y}" if self.pairs else f"no layers can be compared, as {x}:{y}")
        return found

    @cached_property
    def batch(self) -> int:
        """How many images are looked at at a time. Raises MeasureError for measures that want different batches."""
        kinds = {measure.name: measure.batch for measure in self.measures if measure.streams == "batches"}
        if len(set(kinds.values())) > 1:
            raise MeasureError(
                f"{' and '.join(kinds)} go by different batches",
                expected="one size of batches in a comparison",
                instead=f"one of them, such as {next(iter(kinds))}",
            )
        size = next(iter(kinds.values()), None)
        if size is None:
            return -(-self.images // max(1, -(-self.n // MOST)))
        whole = size // gcd(size, self.points)
        return whole * max(1, MOST // (whole * self.points))

    @property
    def batch_rows(self) -> int:
        """The rows of a batch of the measures that go by batches."""
        sizes = [measure.batch for measure in self.measures if measure.batch]
        return sizes[0] if sizes else self.batch * self.points

    def way(self, measure: Measure) -> Way:
        """By what sums over batches a measure is computed; ``rows`` where it takes all rows at once."""
        if measure.streams == "batches":
            return "batches"
        if measure.streams is None or self.permutations:
            return "rows"
        if measure.streams == "entries":
            return "entries"
        return "moments" if self._fits_moments else "rows"

    def check(self) -> None:
        """Raises MeasureError, before any work, for what cannot be compared or does not fit the memory."""
        self.wanted  # noqa: B018
        self.batch  # noqa: B018
        self._check_null()
        for k, name in self.layers("rows"):
            what = f"the activations of {name} of {self.side(k).origin} take"
            self._fit(what, partial(_bytes, self.width(k, name)))
        names = " and ".join(m.name for m in self.measures if self.way(m) == "rows")
        self._fit(f"what {names} keep of all the layers takes", self._kept)

    def _check_null(self) -> None:
        """Whole images are shuffled, which takes two or more of them in a batch."""
        rows, by_batches = self.batch_rows, [each.name for each in self.measures if each.streams == "batches"]
        if self.permutations and by_batches and (rows % self.points or rows < 2 * self.points):
            raise MeasureError(
                f"{by_batches[0]} has batches of {rows} samples, and an image has {self.points}: "
                "the images of a batch cannot be shuffled",
                expected="two whole images or more in a batch",
                instead="cka_linear_debiased, which has no batches, or fewer --samples",
            )

    def side(self, k: int) -> Layers:
        return (self.a, self.b)[k]

    def slot(self, k: int) -> int:
        """The number of the network that a side reads: 0 for both where they are the same."""
        return 0 if self.a.traced is self.b.traced else k

    def width(self, k: int, name: str) -> int:
        rows = self.rows[k][name]
        return width(rows) if isinstance(rows, Rows) else 0

    def layers(self, way: Way) -> list[tuple[int, str]]:
        """The sides and layers that some measure wants that goes this way, in the order of the networks."""
        pairs = {pair for m in self.measures if self.way(m) == way for pair in self.wanted[m.name]}
        return [(k, name) for k in (0, 1) for name in self.side(k).shapes if any(pair[k] == name for pair in pairs)]

    def _size(self, pair: Pair) -> int:
        return sum(self.width(k, name) for k, name in enumerate(pair))

    def _refusal(self, measure: Measure, pair: Pair) -> MeasureError | None:
        shapes = []
        for rows, name in zip(self.rows, pair, strict=True):
            if isinstance(told := rows[name], MeasureError):
                return told
            shapes.append(told.shape)
        return measure.refusal(self.n, *shapes)

    @cached_property
    def _fits_moments(self) -> bool:
        """Whether the covariances of all layers fit the memory, and there are rows enough to fill them."""
        widths: tuple[list[int], list[int]] = ([], [])
        for k in (0, 1):
            names = {pair[k] for m in self.measures if m.streams == "moments" for pair in self.wanted[m.name]}
            widths[k].extend(self.width(k, name) for name in self.side(k).shapes if name in names)
        wide = max((*widths[0], *widths[1]), default=0)
        return wide + 2 <= self.n and moments.size(*widths) <= self.memory // 2

    @cached_property
    def families(self) -> dict[Family, list[Measure]]:
        """The measures that take all rows of a layer at once, by the family that prepares them."""
        found: dict[Family, list[Measure]] = defaultdict(list)
        for measure in self.measures:
            if self.way(measure) == "rows":
                found[measure.family].append(measure)
        return found

    def wants(self, family: Family, k: int, name: str) -> bool:
        """Whether a measure of the family that takes all rows compares a layer of a side."""
        return any(pair[k] == name for m in self.families[family] for pair in self.wanted[m.name])

    @cached_property
    def passes(self) -> list[list[tuple[int, str]]]:
        """The layers whose rows are kept in each pass: as many as fit the memory."""
        found: list[list[tuple[int, str]]] = []
        kept: list[tuple[int, str]] = []
        room = self.memory
        for k, name in self.layers("rows"):
            size = _bytes(self.width(k, name), self.n)
            if kept and size > room:
                found.append(kept)
                kept, room = [], self.memory
            kept.append((k, name))
            room -= size
        return [*found, kept]

    def _kept(self, n: int) -> int:
        """Bytes of prepared layers: of one family after the other, where one pass has the rows of all."""
        widths = {(self.slot(k), name): self.width(k, name) for k, name in self.layers("rows")}.values()
        sizes = [sum(family.size(n, width) for width in widths) for family in self.families]
        work = max((family.work(n, width) for family in self.families for width in widths), default=0)
        return work + (max if len(self.passes) == 1 else sum)(sizes) if sizes else 0

    def _fit(self, what: str, size: Callable[[int], int]) -> None:
        if size(self.n) > self.memory:
            most = (bisect_right(range(self.n), self.memory, key=size) - 1) // self.points * self.points
            smaller = "--spatial mean, or --layers with smaller or fewer layers"
            raise MeasureError(
                f"{what} {size(self.n) / 2**30:.3g} GiB for {self.n:,} samples",
                expected=f"{self.memory / 2**30:.3g} GiB at most",
                instead=f"--samples {most}, {smaller}" if most > 0 else smaller,
            )


def _bytes(width: int, n: int) -> int:
    """Of n rows in float32."""
    return 4 * n * width
