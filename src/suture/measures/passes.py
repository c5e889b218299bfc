"""One pass of all images through the networks that are compared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from suture.errors import MeasureError
from suture.graph import untouched
from suture.measures.comparison import Comparison
from suture.measures.spatial import Rows, draw_points
from suture.measures.streams import BatchSums, EntrySums, Gramian, Grams, MomentSums

Place = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Taken:
    """What is kept of one layer until the batch has gone through both networks."""

    grams: Grams | None
    rows: Tensor | None


class _Reader:
    """Takes what is needed of each value of one network, at once when it is there."""

    def __init__(self, rows: Mapping[str, Rows], gramian: Gramian, grams: set[str], whole: set[str]) -> None:
        self.rows = rows
        self.kept: dict[str, Tensor] = {}
        self.start = 0
        self.points = torch.empty(0)
        self._gramian = gramian
        self._grams = grams
        self._whole = whole

    def __call__(self, name: str, value: Tensor) -> Taken:
        X = self.rows[name](value, self.points)
        if name in self.kept:
            self.kept[name][self.start : self.start + len(X)] = X
        grams = self._gramian(name, X) if name in self._grams else None
        if name not in self._whole:
            return Taken(grams, None)
        # Something later may write to the value.
        shared = X.untyped_storage().data_ptr() == value.untyped_storage().data_ptr()
        return Taken(grams, X.clone() if shared else X)


class Pass:
    """Adds up what streams, and keeps all rows of the ``kept`` layers, (n, d) in float32, by side and name."""

    def __init__(self, asked: Comparison, kept: Sequence[Place], *, streaming: bool) -> None:
        self.asked = asked
        self.grams, self.moments, self.entries = (
            asked.layers(way) if streaming else [] for way in ("batches", "moments", "entries")
        )
        self.places = kept
        self.batch_sums = BatchSums(asked.permutations, asked.seed, asked.points)
        self.moment_sums = MomentSums()
        self.entry_sums = EntrySums()
        self.readers = {}
        for slot in sorted({asked.slot(k) for k in (0, 1)}):
            grams, whole, rows = (
                {name for k, name in places if asked.slot(k) == slot}
                for places in (self.grams, [*self.moments, *self.entries], kept)
            )
            names = [name for k in (0, 1) if asked.slot(k) == slot for name in asked.side(k).shapes]
            ways = {name: self._way(slot, name) for name in names if name in grams | whole | rows}
            reader = _Reader(ways, Gramian(asked.batch_rows), grams, whole)
            for name in rows:
                reader.kept[name] = torch.empty(asked.n, asked.width(self._side(slot, name), name))
            if ways:
                self.readers[slot] = reader

    def run(self, batches: Callable[[int], Iterable[Tensor]], device: Any, advance: Any) -> None:
        asked = self.asked
        points = draw_points(asked.spatial, asked.images, asked.points, asked.seed)
        with ExitStack() as stack:
            taps = {}
            for slot, reader in self.readers.items():
                layers = asked.side(slot)
                network = layers.traced.network
                network.to(device or layers.device)
                stack.enter_context(untouched(network, False))
                taps[slot] = layers.traced.tap(reader.rows, reader)
            seen = 0
            for images in batches(asked.batch):
                self._check(seen + len(images) <= asked.images, seen + len(images))
                taken: dict[int, dict[str, Taken]] = {}
                for slot, reader in self.readers.items():
                    reader.points, reader.start = points[seen : seen + len(images)], seen * asked.points
                    taken[slot] = taps[slot](images.to(device or asked.side(slot).device))
                self._add(taken)
                seen += len(images)
                advance(f"{seen} images", len(images))
            self._check(seen == asked.images, seen)

    def rows(self, k: int, name: str) -> Tensor:
        """All rows of a layer that was to be kept, (n, d)."""
        return self.readers[self.asked.slot(k)].kept[name]

    def _check(self, right: bool, seen: int) -> None:
        if not right:
            raise MeasureError(
                f"{seen} images came in batches",
                expected=f"the {self.asked.images} of the comparison",
                instead=f"Comparison(..., images={seen})",
            )

    def _add(self, taken: Mapping[int, Mapping[str, Taken]]) -> None:
        def of(places: list[Place], k: int) -> dict[str, Taken]:
            return {name: taken[self.asked.slot(k)][name] for side, name in places if side == k}

        if self.grams:
            grams = ([one.grams for one in of(self.grams, k).values() if one.grams is not None] for k in (0, 1))
            self.batch_sums.update(*grams)
        if self.moments:
            rows = ([one.rows for one in of(self.moments, k).values() if one.rows is not None] for k in (0, 1))
            self.moment_sums.update(*rows)
        if self.entries:
            a, b = (
                {name: one.rows for name, one in of(self.entries, k).items() if one.rows is not None} for k in (0, 1)
            )
            self.entry_sums.update(a, b, self._entry_pairs)

    @property
    def _entry_pairs(self) -> list[tuple[str, str]]:
        asked = self.asked
        return [pair for m in asked.measures if asked.way(m) == "entries" for pair in asked.wanted[m.name]]

    def _side(self, slot: int, name: str) -> int:
        """A side that reads this network and has the layer."""
        return next(k for k in (0, 1) if self.asked.slot(k) == slot and name in self.asked.side(k).shapes)

    def _way(self, slot: int, name: str) -> Rows:
        rows = self.asked.rows[self._side(slot, name)][name]
        assert isinstance(rows, Rows)
        return rows
