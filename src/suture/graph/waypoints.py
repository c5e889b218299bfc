"""The maps on the way through a network, and the layers that hand them on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isclose, sqrt
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from suture.graph.inventory import Inventory
from suture.graph.traced import Traced
from suture.graph.untouched import untouched
from suture.spec.cut import Cut, Layout

_CLOSE: Final = 1e-4
_MAPS: Final = (Layout.NCHW, Layout.NHWC)
_TOKENS: Final = (Layout.NLC, Layout.NCL)


@final
@dataclass(frozen=True)
class Waypoint:
    """A legal cut after the first parameter.

    ``outputs`` are the modules whose output it is, outermost first; ``holders`` those, and all that it lies in, but
    for the network itself.
    """

    cut: Cut
    outputs: tuple[str, ...]
    holders: frozenset[str]

    @property
    def learnt(self) -> int:
        return self.cut.params_before

    @property
    def rows(self) -> float:
        """Rows of the grid; of tokens whose grid is not known those of a square."""
        return self.cut.grid[0] if self.cut.grid else sqrt(self.cut.positions)


def waypoints(traced: Traced, head: Iterable[str] = ()) -> tuple[Waypoint, ...]:
    """The maps and tokens of a network before its ``head`` (names of parameters), in order; without maps, all cuts."""
    modules = Inventory(traced.network).modules
    owners = {name.rpartition(".")[0] for name in head}
    cuts: list[Cut] = []
    for cut in traced.cuts(fine=True):
        if _holders(cut, modules) & owners:
            break
        cuts += [cut] if cut.params_before else []
    cuts = _maps(cuts) or cuts
    outputs = _outputs(traced, modules, cuts)
    return tuple(Waypoint(cut, outputs[cut.name], _holders(cut, modules)) for cut in cuts)


def _maps(cuts: Sequence[Cut]) -> list[Cut]:
    """Those of more than one cell, and maps of one cell that layers with parameters made of them, not pooling."""
    found: list[Cut] = []
    for cut in cuts:
        single = cut.positions == 1 or (cut.layout in _TOKENS and 1 in cut.shape)
        if found and single and (cut.layout not in _MAPS or cut.params_before == found[-1].params_before):
            break
        if found or not single:
            found.append(cut)
    return found


def _names(cut: Cut) -> list[str]:
    """A number behind the name of a module tells its earlier calls apart."""
    return [name.partition("@")[0] for name in (cut.name, *cut.aliases)]


def _holders(cut: Cut, modules: Mapping[str, nn.Module]) -> frozenset[str]:
    paths = [name.split(".") for name in _names(cut)]
    return frozenset(".".join(path[:end]) for path in paths for end in range(1, len(path) + 1)) & modules.keys()


def _outputs(traced: Traced, modules: Mapping[str, nn.Module], cuts: Sequence[Cut]) -> dict[str, tuple[str, ...]]:
    """The modules that give the value of each cut, as a hook on them sees it; modules that run once only."""
    claimed = {cut.name: [name for name in _names(cut) if name and name in modules] for cut in cuts}
    seen: dict[str, list[_Print]] = {}

    def see(name: str, _module: nn.Module, _args: Any, value: Any) -> None:
        seen.setdefault(name, []).append(_Print.of(value) if isinstance(value, Tensor) else _NONE)

    with untouched(traced.network, False), torch.no_grad():
        handles = [
            modules[name].register_forward_hook(partial(see, name)) for names in claimed.values() for name in names
        ]
        traced.network(traced.example.clone())
        for handle in handles:
            handle.remove()
        read = traced.tap(claimed).eval()(traced.example.clone()) if claimed else {}
        values = {name: _Print.of(value) for name, value in read.items()}
    return {
        cut: tuple(sorted((n for n in names if _once(seen.get(n), values[cut])), key=lambda name: name.count(".")))
        for cut, names in claimed.items()
    }


@dataclass(frozen=True)
class _Print:
    """Enough to know a value again, though something later writes to it."""

    shape: tuple[int, ...]
    mean: float = 0.0
    square: float = 0.0

    @classmethod
    def of(cls, value: Tensor) -> "_Print":
        exact = value.detach().double()
        return cls(tuple(value.shape), float(exact.mean()), float(exact.square().mean()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Print) or self.shape != other.shape:
            return False
        near = isclose(self.mean, other.mean, abs_tol=_CLOSE * sqrt(self.square))
        return near and isclose(self.square, other.square, rel_tol=_CLOSE)


_NONE: Final = _Print(())


def _once(seen: "list[_Print] | None", value: _Print) -> bool:
    return seen is not None and len(seen) == 1 and seen[0] == value
