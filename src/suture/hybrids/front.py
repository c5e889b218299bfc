"""What gives the first part of a join: a network, or a chain of the networks so far."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from suture.adapters import Adapter
from suture.graph import untouched
from suture.hybrids.parent import Parent
from suture.spec.cut import Cut

Seam = tuple[Cut, Cut]


@dataclass(eq=False)
class Prefix:
    """A chain so far: ``before`` up to ``seam[0]``, the adapter, and ``last`` after ``seam[1]``.

    It stands where a Parent stands as the first network of a join. Its cuts are those of ``last`` after the seam, and
    count the cost of the whole chain before them. It shares the parameters of all its networks.
    """

    before: "Front"
    seam: Seam
    adapter: Adapter
    last: Parent

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return *self.before.networks, self.last.network

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """The block cuts of the last network that leave something between themselves and the seam."""
        later = self.last.later(self.seam[1])
        return tuple(self.counted(cut) for cut in self.last.cuts if cut.name in later)

    @property
    def macs(self) -> int:
        return self._ahead[1] + self.last.macs

    def counted(self, cut: Cut) -> Cut:
        params, macs = self._ahead
        return replace(cut, params_before=params + cut.params_before, macs_before=macs + cut.macs_before)

    def pieces(self, cut: Cut) -> list[nn.Module]:
        return [*self._start, self.last.traced.between(self.seam[1].name, cut.name)]

    def tap(self) -> nn.Module:
        names = [self.seam[1].name, *(cut.name for cut in self.cuts)]
        steps = {end: self.last.traced.between(start, end) for start, end in pairwise(names)}
        return _Steps(nn.Sequential(*self._start), steps)

    @property
    def _start(self) -> list[nn.Module]:
        return [*self.before.pieces(self.seam[0]), self.adapter]

    @cached_property
    def _ahead(self) -> tuple[int, int]:
        """Parameters and MACs that run before the last network's part, less those that the seam spares it."""
        x, y = self.before.counted(self.seam[0]), self.seam[1]
        params = sum(parameter.numel() for parameter in self.adapter.parameters())
        return (
            x.params_before + params - y.params_before,
            x.macs_before + self.adapter.macs - y.macs_before,
        )


Front = Parent | Prefix


def fronts(sides: Sequence[Parent], seams: Sequence[Seam], adapters: Sequence[Adapter]) -> tuple[Front, ...]:
    """The first network, and the chain after each of its seams: what stands before the next one."""
    found: list[Front] = [sides[0]]
    for side, seam, adapter in zip(sides[1:], seams, adapters, strict=True):
        found.append(Prefix(found[-1], seam, adapter, side))
    return tuple(found)


def fit_macs(sides: Sequence[Parent], seams: Sequence[Seam], adapters: Sequence[Adapter]) -> int:
    """MACs of one image through all that is compared when the adapters that want it are fitted, one after the other."""
    before = fronts(sides, seams, adapters)[:-1]
    return sum(
        front.counted(x).macs_before + y.macs_before + (3 * y.macs_after if adapter.spec.weighting == "gradient" else 0)
        for front, (x, y), adapter in zip(before, seams, adapters, strict=True)
        if adapter.wants_fit
    )


@contextmanager
def ready(*sides: Front, device: Any) -> Iterator[None]:
    """Their networks are on ``device`` and in eval mode; afterwards they are there still, and else as they were."""
    networks = dict.fromkeys(network for side in sides for network in side.networks)
    for network in networks:
        network.to(device)
    with ExitStack() as stack:
        for network in networks:
            stack.enter_context(untouched(network, False))
        yield


class _Steps(nn.Module):
    """The value after every step, by name; each step goes on from the one before."""

    def __init__(self, start: nn.Module, steps: dict[str, nn.Module]) -> None:
        super().__init__()
        self.start = start
        self.names = tuple(steps)
        self.steps = nn.ModuleList(steps.values())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        value, found = self.start(images), {}
        for name, step in zip(self.names, self.steps, strict=True):
            value = step(value)
            found[name] = value.clone()  # the next step may write to its input
        return found
