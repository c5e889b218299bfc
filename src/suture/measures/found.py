"""The values of a comparison, as they come in, and what is said of those that do not."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.measures.comparison import Comparison, Way
from suture.measures.measure import Family, Measure, not_finite, nothing_varies
from suture.measures.null import p_values, shuffled
from suture.measures.passes import Pass
from suture.measures.similarity import Similarity

Pair = tuple[str, str]
Sides = dict[tuple[Family, int, str], Any]  # by the number of the network, and the layer


class Found:
    """Values and p-values by measure and pair; what cannot be had is said once, or raised where pairs were named."""

    def __init__(self, asked: Comparison) -> None:
        self.asked = asked
        self._values: dict[tuple[str, Pair], float] = {}
        self._p_values: dict[tuple[str, Pair], float] = {}
        self._said: set[str] = set()
        self._first: MeasureError | None = None

    @cached_property
    def _orders(self) -> list[Tensor]:
        """The permutations of all images, as orders of their samples; the same for every pair."""
        asked, generator = self.asked, torch.Generator().manual_seed(self.asked.seed)
        return [shuffled(asked.images, asked.points, generator) for _ in range(asked.permutations)]

    def refuse(self, error: MeasureError, where: str) -> None:
        """Raises the error of a named pair; any other is said, and its values are left out."""
        told = error.of(where)
        if self.asked.pairs:
            raise told from error
        self._first = self._first or told
        if told.given not in self._said:  # a network compared with itself has each layer twice
            self.asked.watch.say(f"{told.given}; left out")
        self._said.add(told.given)

    def told(self, k: int, name: str, measures: Sequence[Measure]) -> str:
        return f"{name} of {self.asked.side(k).origin}, {' and '.join(measure.name for measure in measures)}"

    def streamed(self, done: Pass) -> None:
        """What was added up over the batches of a pass."""
        if done.grams:
            self._batches(done)
        if done.moments:
            self._moments(done)
        if done.entries:
            for measure in self._going("entries"):
                for pair, value in done.entry_sums.values().items():
                    self._keep(measure, pair, value)

    def prepare(self, family: Family, done: Pass, sides: Sides) -> None:
        """Put the sides of all layers of a pass, whose rows it kept, among ``sides``."""
        measures = self.asked.families[family]
        for k, name in done.places:
            key = family, self.asked.slot(k), name
            if key not in sides and self.asked.wants(family, k, name):
                try:
                    sides[key] = measures[0].prepared(done.rows(k, name))
                except MeasureError as error:
                    self.refuse(error, self.told(k, name, measures))

    def relate(self, family: Family, sides: Sides) -> None:
        """The values of the measures of a family, and their p-values."""
        asked, measures = self.asked, self.asked.families[family]
        pairs: dict[str, list[str]] = defaultdict(list)
        for x, y in self._pairs(measures):
            pairs[x].append(y)
        names = " and ".join(measure.name for measure in measures)
        with asked.watch.task(f"comparing layers by {names}", len(pairs)) as advance:
            for x, others in pairs.items():
                for y in others:
                    left, right = (sides.get((family, asked.slot(k), name)) for k, name in enumerate((x, y)))
                    if left is not None and right is not None:
                        values = self._compare(measures, (x, y), left, right, family.relate(left, right))
                        told = p_values(values, left, right, self._orders) if asked.permutations else {}
                        self._p_values |= {(measure.name, (x, y)): share for measure, share in told.items()}
                advance(x, 1)

    def similarities(self) -> tuple[Similarity, ...]:
        """One of each measure. Raises MeasureError where there is no value at all."""
        asked = self.asked
        if not self._values:
            raise self._first or nothing_varies()
        a, b = tuple(asked.a.shapes), tuple(asked.b.shapes)
        found = []
        for measure in asked.measures:
            grids = [
                tuple(tuple(known.get((measure.name, (x, y))) for y in b) for x in a)
                for known in (self._values, self._p_values)
            ]
            similarity = Similarity(
                measure=measure.name,
                layers_a=a,
                layers_b=b,
                values=grids[0],
                higher_is_more_similar=measure.higher_is_more_similar,
                n=asked.n,
                estimator=measure.estimator,
                streams=measure.streams,
                batch=asked.batch_rows if measure.streams == "batches" else None,
                spatial=asked.spatial,
                origin_a=asked.a.origin,
                origin_b=asked.b.origin,
                p_values=grids[1] if asked.permutations else None,
                permutations=asked.permutations,
            )
            found.append(similarity)
        return tuple(found)

    def _batches(self, done: Pass) -> None:
        measures = self._going("batches")
        names = [[name for side, name in done.grams if side == k] for k in (0, 1)]
        for k, faults in enumerate(done.batch_sums.faults()):
            for name, fault in zip(names[k], faults, strict=True):
                if fault is not None:
                    self.refuse(fault, self.told(k, name, measures))
        values = done.batch_sums.values()
        p_values = done.batch_sums.p_values() if self.asked.permutations else None
        for measure in measures:
            for x, y in self.asked.wanted[measure.name]:
                i, j = names[0].index(x), names[1].index(y)
                if isfinite(values[i, j]):
                    self._keep(measure, (x, y), float(values[i, j]))
                    if p_values is not None:
                        self._p_values[measure.name, (x, y)] = float(p_values[i, j])

    def _moments(self, done: Pass) -> None:
        *own, products = done.moment_sums.products()
        names = [[name for side, name in done.moments if side == k] for k in (0, 1)]
        families: dict[Family, list[Measure]] = defaultdict(list)
        for measure in self._going("moments"):
            families[measure.family].append(measure)
        for family, measures in families.items():
            assert family.settle is not None
            assert family.cross is not None
            sides: list[dict[str, Any]] = [{}, {}]
            for k in (0, 1):
                for name, product in zip(names[k], own[k], strict=True):
                    try:
                        if not bool(product.isfinite().all()):
                            raise not_finite()
                        sides[k][name] = family.settle(product)
                    except MeasureError as error:
                        self.refuse(error, self.told(k, name, measures))
            for x, y in self._pairs(measures):
                if x in sides[0] and y in sides[1]:
                    left, right = sides[0][x], sides[1][y]
                    common = family.cross(left, right, products[names[0].index(x)][names[1].index(y)])
                    self._compare(measures, (x, y), left, right, common)

    def _compare(self, measures: Sequence[Measure], pair: Pair, x: Any, y: Any, common: Any) -> dict[Measure, float]:
        """The values of a pair that were asked for and can be had."""
        values: dict[Measure, float] = {}
        for measure in measures:
            if pair not in self.asked.wanted[measure.name]:
                continue
            try:
                values[measure] = float(measure.compare(x, y, common))
            except MeasureError as error:
                self.refuse(error, f"{':'.join(pair)}, {measure.name}")
                continue
            self._keep(measure, pair, values[measure])
        return values

    def _keep(self, measure: Measure, pair: Pair, value: float) -> None:
        if isfinite(value):
            self._values[measure.name, pair] = value
        else:
            self.refuse(not_finite(), f"{':'.join(pair)}, {measure.name}")

    def _going(self, way: Way) -> list[Measure]:
        return [measure for measure in self.asked.measures if self.asked.way(measure) == way]

    def _pairs(self, measures: Sequence[Measure]) -> list[Pair]:
        """The pairs that any of the measures is asked for, in order."""
        return list(dict.fromkeys(pair for measure in measures for pair in self.asked.wanted[measure.name]))
