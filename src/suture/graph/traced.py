"""trace(network): where a network can be cut, and the means to cut and to read it there."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from suture.errors import CutError, TraceError, listed, nearest
from suture.graph.inventory import Inventory
from suture.graph.ladder import RUNGS, Rung
from suture.graph.network import Network
from suture.graph.piece import Read
from suture.graph.route import Place, Route
from suture.graph.spatial import Spatial
from suture.graph.verify import Wanted, brief
from suture.spec.cut import Cut

BATCH = 2
NO_CUT = "no value alone separates the input from the output"


@torch.inference_mode(False)
def trace(network: nn.Module, example: Tensor | None = None) -> "Traced":
    """Follow ``network`` from its input to its output; the network itself is left as it is.

    ``example`` is a batch of what the network takes, floats with the images on axis 0; a ``Network`` needs
    none. The network runs on two of its images, in eval and in train mode. Raises TraceError where an example
    is missing, the network fails on it, or no cut is found.
    """
    batch = batch_of(network, example)
    if any(is_lazy(p) for p in (*network.parameters(), *network.buffers())):
        raise TraceError(
            f"this {type(network).__name__} has lazy layers that have seen no batch yet",
            expected="a network whose parameters have shapes",
            instead="network(example) once, before it is cut",
        )
    wanted = Wanted(network, batch)
    wanted(False)
    inventory = Inventory(network)
    failures: list[str] = []
    for rung, climb in RUNGS.items():
        try:
            route = climb(inventory, batch, wanted)
        except TraceError:
            raise
        except Exception as error:
            failures.append(f"{rung}: {brief(error)}")
            continue
        if any(place.cut for place in route.places):
            return Traced(network, rung, "; ".join(failures) or None, batch, route)
        failures.append(f"{rung}: {NO_CUT}")
    wanted(True)
    parallel = failures[0] == f"fx: {NO_CUT}"
    raise TraceError(
        f"no cut was found in this {type(network).__name__} ({'; '.join(failures)})",
        expected="a network with a place where one tensor separates its input from its output",
        instead="another network: two tensors or more live side by side in this one, all the way"
        if parallel
        else "a forward that decides nothing by the values of tensors (fx and export can follow it), or one that "
        "hands a single tensor from module to module (hooks can)",
    )


def batch_of(network: nn.Module, example: Tensor | None) -> Tensor:
    """Two images for a network: of its ``example``, or such as a network from a source takes. Raises TraceError."""
    if example is None:
        if not isinstance(network, Network):
            raise TraceError(
                f"a {type(network).__name__} does not say what images it takes",
                expected="an example batch for any network that was not loaded from a source",
                instead="example=torch.rand(2, 3, 224, 224), beside the network",
            )
        like = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
        side, generator = network.input_size, torch.Generator().manual_seed(0)
        images = torch.rand(BATCH, 3, side, side, generator=generator)
        return images.to(device=like.device, dtype=like.dtype)
    if not isinstance(example, Tensor):
        raise TraceError(
            f"the example is a {type(example).__name__}",
            expected="a batch of floats with the images on axis 0",
            instead="example=torch.rand(2, 3, 224, 224)",
        )
    if not example.is_floating_point() or example.ndim < 2 or not len(example):
        raise TraceError(
            f"the example has shape {tuple(example.shape)} and type {example.dtype}",
            expected="a batch of floats with the images on axis 0",
            instead="torch.rand(2, 3, 224, 224), or images.float() / 255",
        )
    example = example.detach()
    return example[:BATCH].clone() if len(example) >= BATCH else torch.cat([example] * BATCH)


@final
@dataclass(frozen=True, eq=False)
class Traced:
    """A network and its cuts.

    ``tracer`` is the rung that held: ``fx`` and ``export`` follow values, ``hooks`` follows module order
    only. ``why`` says why the rungs above did not hold. ``example`` is the batch it was followed with.

    Auxiliary heads, whose outputs a network returns in train mode only, are off in the halves: in train mode
    ``decoder(encoder(x))`` is then the main one of what the network returns, and the heads learn nothing.

    Halves of an ``export``, and halves that keep a number as it was for the example, take images and activations of
    the example's size only. A buffer that ``forward`` binds anew, rather than writes to, goes stale in them.
    """

    network: nn.Module
    tracer: Rung
    why: str | None
    example: Tensor = field(repr=False)
    _route: Route = field(repr=False)

    @property
    def auxiliary(self) -> tuple[str, ...]:
        """The auxiliary heads that are off, by name."""
        return self._route.auxiliary

    @property
    def unused(self) -> tuple[str, ...]:
        """The parameters, by name, that are in no half, as the network does not run them."""
        return self._route.unused

    @property
    def parameters(self) -> int:
        """Parameters in use, each counted once."""
        return self._route.parameters

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self._route.macs

    def cuts(self, fine: bool = False) -> tuple[Cut, ...]:
        """The block cuts, or all legal cuts, in the order in which the network computes them."""
        return tuple(place.cut for place in self._route.places if place.cut and (fine or place.cut.block))

    def find(self, name: str) -> Cut:
        """The cut of this name or alias. Raises CutError where there is none, or where it is not legal."""
        cut = self._legal(name).cut
        if cut is None:
            raise AssertionError(name)
        return cut

    def split(self, name: str) -> tuple[nn.Module, nn.Module]:
        """(encoder, decoder) at the named cut: ``decoder(encoder(x))`` equals ``network(x)`` in both modes.

        Both run on the network's own parameters, under their names in its state dict. Raises CutError as
        ``find``.
        """
        return self._route.halves(self._legal(name))

    def between(self, start: str, end: str) -> nn.Module:
        """The part after the cut ``start`` and up to the cut ``end``, on the network's own parameters.

        Raises CutError as ``find``, and where ``end`` does not come after ``start``.
        """
        first, last = self._legal(start), self._legal(end)
        places = self._route.places
        if places.index(last) <= places.index(first):
            raise CutError(
                f"{last.name} is not computed after {first.name}",
                expected="a first and a later cut of the network, in this order",
                instead=f"between({last.name!r}, {first.name!r})" if first != last else "two different cuts",
            )
        return self._route.between(first, last)

    def tap(self, names: Iterable[str], read: Read | None = None) -> nn.Module:
        """A module that maps images to a dict of the named values, which need not be legal cuts.

        Nothing after the last of them is computed, and no later in-place operation shows in them. With ``read`` the
        dict holds what it makes of each name and value, at once when the value is there, and no value is kept for
        longer than the network itself needs it; it must not write to the value. Raises CutError for a name that is no
        tensor of the network, or where no name is given.
        """
        wanted = {name: self._readable(name) for name in names}
        if not wanted:
            raise CutError(
                "no layer was named to tap",
                expected="one name or more",
                instead=f"tap([{self._some()[0]!r}])",
            )
        return self._route.taps(wanted, read)

    def describe(self, name: str) -> Cut | None:
        """What the axes of a value mean that ``tap`` reads, legal cut or not; None where that is not known.

        Raises CutError as ``tap``.
        """
        place = self._readable(name)
        return place.cut or next((value.cut for value in self.spatial() if value.cut.name == place.name), None)

    def spatial(self) -> tuple[Spatial, ...]:
        """The values with more than one cell that the output depends on, in order; they need not be legal cuts."""
        return self._route.spatial

    def after(self, names: Iterable[str]) -> Cut | None:
        """The first legal cut that is computed after all the named values; None where only the output is."""
        places = self._route.places
        last = max(places.index(self._place(name)) for name in names)
        return next((place.cut for place in places[last + 1 :] if place.cut), None)

    def watched(self, names: Iterable[str]) -> nn.Module:
        """A module that maps images to (output, {name: value}); for eval mode only (see ``differentiable``).

        The output is computed from these very values, so that its gradients with respect to them are right, also
        where no parameter asks for any. Later in-place operations do not show in them. Raises CutError for a name
        that is no tensor of the network.
        """
        return self._route.watched({name: self._readable(name) for name in names})

    def _legal(self, name: str) -> Place:
        place = self._place(name)
        if place.cut is None:
            raise CutError(
                f"the network cannot be cut at {name}: {place.reason}",
                expected="a value that alone separates the input from the output",
                instead=f"a cut beside it: {listed(self._beside(place))}",
            )
        return place

    def _beside(self, place: Place, count: int = 3) -> list[str]:
        """The legal cuts that are computed closest to ``place``, in order."""
        legal = [other for other in self._route.places if other.cut]
        where = self._route.places.index(place)
        legal.sort(key=lambda other: abs(self._route.places.index(other) - where))
        return [other.name for other in sorted(legal[:count], key=self._route.places.index)]

    def _readable(self, name: str) -> Place:
        place = self._place(name)
        if not place.readable:
            raise CutError(
                f"the value {name} cannot be read",
                expected="a layer whose output is one tensor in eval and in train mode",
                instead=listed(nearest(name, self._spelled(legal=True))),
            )
        return place

    def _place(self, name: str) -> Place:
        known = {place.name: place for place in self._route.places}
        for place in self._route.places:
            for alias in place.aliases:
                known.setdefault(alias, place)
        if name in known:
            return known[name]
        if name in Inventory(self.network).modules:
            raise CutError(
                f"the module {name} has no output that is one tensor and the same in eval and in train mode",
                expected="a module that runs in every forward pass and returns one tensor",
                instead=listed(nearest(name, self._spelled(legal=True))),
            )
        raise CutError(
            f"the network has no layer {name!r}",
            expected=f"a layer of this network: {listed(self._some())}",
            instead=listed(nearest(name, self._spelled(legal=False))),
        )

    def _spelled(self, legal: bool) -> list[str]:
        places = [place for place in self._route.places if place.cut or not legal]
        return [place.name for place in places] + [alias for place in places for alias in place.aliases]

    def _some(self) -> list[str]:
        return [cut.name for cut in self.cuts() or self.cuts(fine=True)]
