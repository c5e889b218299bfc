"""Layers of one network against layers of another: every pair for one preparation a layer, in bounded memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.graph import Traced, untouched
from suture.measures.measure import Measure, Shape
from suture.runs import Watch

MEMORY = 2 * 2**30
Pair = tuple[str, str]
Values = tuple[tuple[float | None, ...], ...]
Batches = Callable[[], Iterable[Tensor]]


@dataclass(frozen=True)
class Layers:
    """Layers of one network, each with the shape of its activation of one image; ``origin`` names the network."""

    origin: str
    traced: Traced
    shapes: dict[str, Shape]

    def groups(self, names: Iterable[str], n: int, memory: int) -> list[list[str]]:
        """``names`` in groups whose float32 activations of n images fit so many bytes."""
        found: list[list[str]] = []
        room = 0
        for name in names:
            size = _bytes(self.shapes[name], n)
            if size > room or not found:
                found.append([])
                room = memory
            found[-1].append(name)
            room -= size
        return found


@dataclass(frozen=True)
class Similarity:
    """One measure of n images: ``values`` are rows of ``layers_a`` by columns of ``layers_b``.

    None stands for a pair that the measure cannot compare, or that was not asked for.
    """

    measure: str
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    values: Values
    higher_is_more_similar: bool
    n: int

    def value(self, a: str, b: str) -> float | None:
        return self.values[self.layers_a.index(a)][self.layers_b.index(b)]

    def best(self, a: str) -> Pair | None:
        """(``a``, the layer of B most like it); None where it compares with none."""
        row = {b: v for b, v in zip(self.layers_b, self.values[self.layers_a.index(a)], strict=True) if v is not None}
        return (a, (max if self.higher_is_more_similar else min)(row, key=row.__getitem__)) if row else None


def look(traced: Traced, origin: str, names: Sequence[str], images: Tensor) -> Layers:
    """The named layers of a network, from what they make of a few images (three, say: one may pass for a width).

    Raises CutError for a name that is no value of the network, MeasureError for a value that is no activation.
    """
    with torch.no_grad(), untouched(traced.network, False):
        found: dict[str, Tensor] = traced.tap(names)(images.to(_place(traced)))
    for name, value in found.items():
        if value.dim() < 2 or len(value) != len(images) or not value.is_floating_point():
            raise MeasureError(
                f"{name} of {origin} is of shape {tuple(value.shape)} for a batch of {len(images)} images",
                expected="an activation: real numbers, with an entry for each image",
                instead="a layer that suture layers --fine prints",
            )
    return Layers(origin, traced, {name: tuple(value.shape[1:]) for name, value in found.items()})


@dataclass(frozen=True)
class Comparison:
    """Which layers of ``a`` and ``b`` are compared by which measures, on n images.

    Without ``pairs`` that is every layer of one with every layer of the other; a pair that a measure cannot compare
    is then None. A pair that is named must be comparable. ``watch`` hears of layers that say nothing.
    ``memory`` is how many bytes the activations of one pass over the images may take, and what is kept of all layers.
    """

    a: Layers
    b: Layers
    measures: tuple[Measure, ...]
    n: int
    pairs: tuple[Pair, ...] = ()
    watch: Watch = field(default_factory=Watch)
    memory: int = MEMORY

    @cached_property
    def wanted(self) -> dict[str, list[Pair]]:
        """The pairs that each measure is asked for and takes.

        Raises MeasureError for a named pair that a measure does not take, and for a measure that takes none.
        """
        found: dict[str, list[Pair]] = {}
        asked = self.pairs or tuple((x, y) for x in self.a.shapes for y in self.b.shapes)
        for measure in self.measures:
            refused = {
                (x, y): error
                for x, y in asked
                if (error := measure.refusal(self.n, self.a.shapes[x], self.b.shapes[y])) is not None
            }
            if refused and (self.pairs or len(refused) == len(asked)):
                size = {(x, y): prod(self.a.shapes[x]) + prod(self.b.shapes[y]) for x, y in refused}
                (x, y), error = min(refused.items(), key=lambda item: 0 if self.pairs else size[item[0]])
                raise _named(error, f"{x}:{y}" if self.pairs else f"no layers can be compared, as {x}:{y}")
            found[measure.name] = [pair for pair in asked if pair not in refused]
        return found

    def check(self) -> None:
        """Raises MeasureError, before any work, for what cannot be compared or does not fit the memory."""
        self.wanted  # noqa: B018
        for side in (self.a, self.b):
            for name, shape in side.shapes.items():
                self._fit(f"the activations of {name} of {side.origin} take", partial(_bytes, shape))
        self._fit(f"what {' and '.join(self.wanted)} keep of all the layers takes", self._kept)

    @torch.no_grad()
    def run(self, batches: Batches, device: Any = None) -> tuple[Similarity, ...]:
        """The values of every measure. ``batches`` gives the n images anew for every pass.

        The networks are moved to ``device`` (None leaves them) and run in eval mode, the measures on the CPU. Raises
        MeasureError for activations of a named pair that are constant or not finite; any other pair is then None.
        """
        self.check()
        ready: tuple[dict[Any, Any], ...] = ({}, {})
        passes = [(k, group) for k, side in self._sides for group in side.groups(self._layers(k), self.n, self.memory)]
        with self.watch.task("reading activations", len(passes) * self.n) as advance:
            for k, group in passes:
                found = self._read(side := self._sides[k][1], group, batches, device)
                advance(f"{side.origin}, up to {group[-1]}", self.n)
                for name in group:
                    ready[k].update(self._prepared(k, name, found.pop(name)))
        return tuple(self._compared(measure, *ready) for measure in self.measures)

    @property
    def _sides(self) -> tuple[tuple[int, Layers], ...]:
        """The place of each side in a pair, and the side."""
        return (0, self.a), (1, self.b)

    def _layers(self, k: int) -> list[str]:
        """The layers of a side that some measure wants, in the order of the network."""
        wanted = {pair[k] for pairs in self.wanted.values() for pair in pairs}
        return [name for name in self._sides[k][1].shapes if name in wanted]

    def _preparations(self, k: int, name: str) -> dict[Any, Measure]:
        """The measures that want a layer, one for each way to prepare it: several may share one."""
        wanting = (m for m in self.measures if any(pair[k] == name for pair in self.wanted[m.name]))
        return {measure.prepare: measure for measure in wanting}

    def _kept(self, n: int) -> int:
        return sum(
            measure.kept(n, side.shapes[name])
            for k, side in self._sides
            for name in self._layers(k)
            for measure in self._preparations(k, name).values()
        )

    def _fit(self, what: str, size: Callable[[int], int]) -> None:
        if size(self.n) > self.memory:
            most = bisect_right(range(self.n), self.memory, key=size) - 1
            raise MeasureError(
                f"{what} {size(self.n) / 2**30:.3g} GiB for {self.n:,} images",
                expected=f"{self.memory / 2**30:.3g} GiB at most",
                instead=f"--first {most}, or --layers X:Y with smaller or fewer layers"
                if most
                else "--layers X:Y with smaller layers",
            )

    def _read(self, side: Layers, names: list[str], batches: Batches, device: Any) -> dict[str, Tensor]:
        """Activations of all images, (n, features) in float32."""
        found = {name: torch.empty(self.n, prod(side.shapes[name])) for name in names}
        row = 0
        device = device or _place(side.traced)
        side.traced.network.to(device)
        with untouched(side.traced.network, False):
            tap = side.traced.tap(names)
            for images in batches():
                for name, value in tap(images.to(device)).items():
                    found[name][row : row + len(value)] = value.flatten(1)
                row += len(images)
        return found

    def _prepared(self, k: int, name: str, X: Tensor) -> Iterator[tuple[tuple[Any, str], Any]]:
        for prepare, measure in self._preparations(k, name).items():
            try:
                yield (prepare, name), measure.prepared(X)
            except MeasureError as error:
                self._refuse(error, f"{name} of {self._sides[k][1].origin}")

    def _compared(self, measure: Measure, a: dict[Any, Any], b: dict[Any, Any]) -> Similarity:
        values: dict[Pair, float] = {}
        for x, y in self.wanted[measure.name]:
            left, right = a.get((measure.prepare, x)), b.get((measure.prepare, y))
            if left is None or right is None:
                continue
            try:
                values[x, y] = float(measure.compare(left, right))
            except MeasureError as error:
                self._refuse(error, f"{measure.name} of {x}:{y}")
        rows, columns = tuple(self.a.shapes), tuple(self.b.shapes)
        matrix = tuple(tuple(values.get((x, y)) for y in columns) for x in rows)
        return Similarity(measure.name, rows, columns, matrix, measure.higher_is_more_similar, self.n)

    def _refuse(self, error: MeasureError, where: str) -> None:
        if self.pairs:
            raise _named(error, where) from error
        self.watch.say(f"{where}: {error.given}; left out")


def _place(traced: Traced) -> Any:
    return next((parameter.device for parameter in traced.network.parameters()), "cpu")


def _bytes(shape: Shape, n: int) -> int:
    """Of the float32 activations of n images."""
    return 4 * n * prod(shape)


def _named(error: MeasureError, where: str) -> MeasureError:
    return MeasureError(f"{where}: {error.given}", expected=error.expected, instead=error.instead)
