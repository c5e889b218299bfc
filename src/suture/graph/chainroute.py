"""A network as the chain of modules that starts at its input."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, final

import torch
from torch import Tensor, nn

from suture.data.preprocess import Preprocess
from suture.graph.blocks import is_trivial_module
from suture.graph.bypass import ChainDecoder, ChainEncoder, ChainTap
from suture.graph.inventory import Inventory
from suture.graph.piece import Read
from suture.graph.route import Place, Route
from suture.graph.rungs.hooks import Trail, common, record
from suture.graph.spatial import Spatial
from suture.graph.untouched import untouched
from suture.graph.verify import Answer, agree, answer
from suture.graph.watching import ChainWatch
from suture.spec.cut import Cut, Layout

MODES: Final = (False, True)


@final
class ChainRoute(Route):
    """Cuts after the modules of the chain, each tried out on all ``probes`` in both modes."""

    def __init__(self, inventory: Inventory, probes: list[Tensor]) -> None:
        self._inventory = inventory
        self._probes = probes
        self._trails = [record(inventory, probe, training) for probe in probes for training in MODES]
        first = self._trails[0]
        count = common([trail.links for trail in self._trails])
        self._links = first.links[:count]
        self._paths = tuple(link.path for link in self._links)
        # A module may run in some passes only: what every pass did is certain.
        self._calls = {path: min(trail.calls.get(path, 0) for trail in self._trails) for path in first.calls}
        self._answers = [
            answer(inventory.network, training, lambda probe=probe: inventory.network(probe.clone()))  # type: ignore[misc]
            for probe in probes
            for training in MODES
        ]
        self._places = self._survey(first)

    @property
    def places(self) -> tuple[Place, ...]:
        return self._places

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._inventory.network.parameters())

    @property
    def macs(self) -> int:
        return self._trails[0].macs // len(self._probes[0])

    def halves(self, place: Place) -> tuple[nn.Module, nn.Module]:
        return self._halves(place.number)

    def between(self, start: Place, end: Place) -> nn.Module:
        paths = self._paths[start.number + 1 : end.number + 1]
        return ChainEncoder(self._inventory, paths, clone=self._is_overwritten(start.number))

    def taps(self, places: Mapping[str, Place], read: Read | None = None) -> nn.Module:
        return ChainTap(self._inventory, {name: place.name for name, place in places.items()}, self._calls, read)

    @property
    def spatial(self) -> tuple[Spatial, ...]:
        """The cuts that have a grid: what is not part of the chain is not known to matter."""
        modules = [self._inventory.modules[path] for path in self._paths]
        front = tuple(module for module in modules if isinstance(module, Preprocess))
        found = list[Spatial]()
        for cut in (place.cut for place in self._places):
            if cut and cut.grid and cut.grid[0] * cut.grid[1] > 1 and cut.params_before:
                found.append(Spatial(cut, frozenset(value.cut.name for value in found), front))
        return tuple(found)

    def watched(self, places: Mapping[str, Place]) -> nn.Module:
        return ChainWatch(self._inventory, {name: place.name for name, place in places.items()}, self._calls)

    def _halves(self, number: int) -> tuple[nn.Module, nn.Module]:
        paths = self._paths[: number + 1]
        clone = self._is_overwritten(number)
        decoder = ChainDecoder(self._inventory, paths, self._calls, clone)
        decoder.entry = self._links[number].shape[1:]
        return ChainEncoder(self._inventory, paths), decoder

    def _is_overwritten(self, number: int) -> bool:
        return any(trail.links[number].overwritten for trail in self._trails)

    def _survey(self, first: Trail) -> tuple[Place, ...]:
        reasons = [self._reason(number, first) for number in range(len(self._links))]
        places = [
            Place(number, link.path, (), None if reason else self._cut(number, reasons), reason)
            for number, (link, reason) in enumerate(zip(self._links, reasons, strict=True))
            if link.path not in self._paths[number + 1 :]
        ]
        others = [path for path in first.readable if path not in self._paths and self._calls[path]]
        return (*places, *(Place(-1, path, (), None, _broken(path)) for path in others))

    def _reason(self, number: int, first: Trail) -> str:
        link = self._links[number]
        if first.reaches_output and number == len(first.links) - 1:
            return f"{link.path} is the network's output: nothing is left to decode"
        if not link.floating or len(link.shape) < 2 or link.shape[0] != len(self._probes[0]):
            return f"{link.path} is not a batch of activations"
        return "" if self._holds(number) else f"something earlier is still needed after {link.path}"

    def _holds(self, number: int) -> bool:
        try:
            return all(agree(ours, theirs) for ours, theirs in zip(self._tried(number), self._answers, strict=True))
        except Exception:
            # Whatever the network's own code raises when it is handed a value of another place: no cut.
            return False

    def _tried(self, number: int) -> list[Answer]:
        found = []
        for probe in self._probes:
            for training in MODES:
                with untouched(self._inventory.network):
                    encoder, decoder = self._halves(number)
                    encoder.train(training)
                    decoder.train(training)
                    with torch.no_grad():
                        torch.manual_seed(0)
                        output = decoder(encoder(probe.clone()))
                    found.append(Answer(output, tuple(b.clone() for b in self._inventory.network.buffers())))
        return found

    def _cut(self, number: int, reasons: list[str]) -> Cut:
        link = self._links[number]
        done = self._links[: number + 1]
        seen = {id(p): p.numel() for past in done for p in self._inventory.modules[past.path].parameters()}
        parameters, macs = sum(seen.values()), sum(past.macs for past in done) // len(self._probes[0])
        cut = Cut(
            name=link.path,
            layout=self._layout(number),
            shape=link.shape[1:],
            stride=None,
            params_before=parameters,
            params_after=self.parameters - parameters,
            macs_before=macs,
            macs_after=self.macs - macs,
            block=self._is_block(number, reasons),
        )
        height = self._probes[0].shape[2] if self._probes[0].ndim == 4 else None
        return replace(cut, stride=height / cut.grid[0]) if cut.grid and height else cut

    def _layout(self, number: int) -> Layout:
        axes = len(self._links[number].shape)
        if axes != 4:
            return Layout.NC if axes == 2 else Layout.NLC
        beside = [self._inventory.modules[link.path] for link in self._links[number : number + 2]]
        last_axis = any(isinstance(module, (nn.LayerNorm, nn.Linear)) for module in beside)
        return Layout.NHWC if last_axis else Layout.NCHW

    def _is_block(self, number: int, reasons: list[str]) -> bool:
        if isinstance(self._inventory.modules[self._links[number].path], Preprocess):
            return False
        after = number + 1
        if after == len(self._links) or reasons[after]:
            return True
        return not is_trivial_module(self._inventory.modules[self._links[after].path])


def _broken(path: str) -> str:
    return f"{path} is not part of the unbroken chain of modules that starts at the input"


def probes(example: Tensor) -> list[Tensor]:
    """The example, two batches far from it, and two of other lengths, so that control flow shows more of its ways."""
    return [example, -example, 1 + 2 * example, example[:1], torch.cat([example, example, example])[:5]]


def follow(inventory: Inventory, example: Tensor) -> ChainRoute:
    """Follow by module order. Raises whatever the network raises on the example."""
    usable = [example]
    for probe in probes(example)[1:]:
        try:
            for training in MODES:
                record(inventory, probe, training)
        except Exception:
            # Whatever the network's own code raises on values it was not made for: a probe that tells nothing.
            continue
        usable.append(probe)
    return ChainRoute(inventory, usable)
