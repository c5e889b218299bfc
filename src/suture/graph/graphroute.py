"""A network as two graphs, one for each mode."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import final

from torch import Tensor, fx, nn

from suture.graph.blocks import block_cuts, home
from suture.graph.costs import Facts
from suture.graph.layout import layout
from suture.graph.liveness import Liveness
from suture.graph.naming import Names, counterparts, named
from suture.graph.network import Network
from suture.graph.piece import Piece, Read, part
from suture.graph.program import Program
from suture.graph.route import Place, Route
from suture.graph.spatial import Spatial, spatial
from suture.graph.tokens import cells
from suture.spec.cut import Cut


@final
class GraphRoute(Route):
    """Cuts where one value is live in both graphs. ``facts`` are those of the eval and of the train graph."""

    def __init__(
        self,
        programs: tuple[Program, Program],
        facts: tuple[Facts, Facts],
        example: Tensor,
        auxiliary: tuple[str, ...] = (),
    ) -> None:
        self._program, other = (
            program.unbundled(lambda node, known=known: known[node].shape is not None)  # type: ignore[misc]
            for program, known in zip(programs, facts, strict=True)
        )
        self._auxiliary = auxiliary
        self._facts = facts
        self._batch, self._height = len(example), example.shape[2] if example.ndim == 4 else None
        self._grid = (example.shape[2], example.shape[3]) if example.ndim == 4 else None
        network = self._program.inventory.network
        resizes = isinstance(network, Network) and network.preprocess.size is not None
        self._image = None if resizes else tuple(example.shape[1:])
        self._flows = tuple(
            Liveness(program, known, self._batch) for program, known in zip((self._program, other), facts, strict=True)
        )
        self._twin = counterparts(self._program, other)
        self._back = {theirs: ours for ours, theirs in self._twin.items()}
        held = dict(other.outputs)
        self._shared = [
            (call, node)
            for call, node in self._program.outputs
            if node in self._twin and held.get(call) is self._twin[node]
        ]
        self._names = named(self._program, self._shared)
        self._count()
        self._nodes = [node for node in self._names if node.op != "get_attr"]
        self._places = self._survey()

    @property
    def places(self) -> tuple[Place, ...]:
        return self._places

    @property
    def auxiliary(self) -> tuple[str, ...]:
        return self._auxiliary

    @property
    def unused(self) -> tuple[str, ...]:
        inventory = self._program.inventory
        run = [
            inventory.member(str(node.target))
            for flow in self._flows
            for node in flow.needed
            if node.op in ("call_module", "get_attr")
        ]
        used = {
            id(tensor)
            for member in run
            for tensor in (member.parameters() if isinstance(member, nn.Module) else (member,))
        }
        return tuple(
            name
            for name, tensor in inventory.tensors.items()
            if isinstance(tensor, nn.Parameter) and id(tensor) not in used
        )

    @property
    def parameters(self) -> int:
        return self._total[0]

    @property
    def macs(self) -> int:
        return self._total[1]

    def halves(self, place: Place) -> tuple[nn.Module, nn.Module]:
        nodes = self._both(place)
        first = [part(flow.before(node), result=node) for flow, node in zip(self._flows, nodes, strict=True)]
        rest = self._rest(place, None)
        # What the rest keeps of the example must be true of the images, too.
        return Piece(self._program.inventory, first, self._image if rest.shape else None), rest

    def between(self, start: Place, end: Place) -> nn.Module:
        return self._rest(start, end)

    def _rest(self, start: Place, end: Place | None) -> Piece:
        """What comes after ``start``, up to ``end``."""
        entries = self._both(start)
        ends = self._both(end) if end else (None, None)
        clone = self._is_overwritten(entries)
        graphs, sized = [], self._program.settled
        for flow, entry, last in zip(self._flows, entries, ends, strict=True):
            nodes = flow.between(entry, last) if last else flow.after(entry)
            lost = flow.lost(entry)
            sized = sized or any(node in lost for node in nodes)
            graphs.append(part(nodes, start=entry, clone=clone, read=flow.anywhere.read, result=last, given=lost))
        shape = start.cut.shape if start.cut else None
        piece = Piece(self._program.inventory, graphs, shape if sized else None)
        piece.entry = shape
        return piece

    def taps(self, places: Mapping[str, Place], read: Read | None = None) -> nn.Module:
        both = {name: self._both(place) for name, place in places.items()}
        graphs = []
        for mode, flow in enumerate(self._flows):
            run = {node for pair in both.values() for node in flow.before(pair[mode])}
            wanted = {name: (pair[mode], self._is_overwritten(pair)) for name, pair in both.items()}
            order = [node for node in flow.order if node in run or node.op == "placeholder"]
            graphs.append(part(order, taps=wanted, read_tap=read))
        return Piece(self._program.inventory, graphs, self._image if self._program.settled else None)

    @cached_property
    def spatial(self) -> tuple[Spatial, ...]:
        program, facts, flow = self._program, self._facts[0], self._flows[0]

        def describe(node: fx.Node, last: Cut | None) -> Cut:
            return self._cut(node, self._names[node], False, last)

        readable = {place.name for place in self._places if place.readable}
        values = spatial(program, facts, flow, self._grid, describe)
        return tuple(value for value in values if value.cut.name in readable)

    def watched(self, places: Mapping[str, Place]) -> nn.Module:
        nodes = {name: self._nodes[place.number] for name, place in places.items()}
        graph = part(self._flows[0].whole(), watched=nodes)
        return Piece(self._program.inventory, [graph, graph], self._image if self._program.settled else None)

    def _is_overwritten(self, nodes: tuple[fx.Node, fx.Node]) -> bool:
        return any(known[node].overwritten for known, node in zip(self._facts, nodes, strict=True))

    def _both(self, place: Place) -> tuple[fx.Node, fx.Node]:
        node = self._nodes[place.number]
        return node, self._twin[node]

    def _count(self) -> None:
        """Parameters and MACs up to and including each node, parameters where they are first used."""
        flow, facts = self._flows[0], self._facts[0]
        seen: set[int] = set()
        parameters = macs = 0
        self._up_to: dict[fx.Node, tuple[int, int]] = {}
        for node in flow.order:
            if node in flow.needed and node in flow.dependent:
                used = flow.slice(source for source in (node, *flow.inputs(node)) if source not in flow.dependent)
                for tensor in self._parameters_of({node} | used):
                    if id(tensor) not in seen:
                        seen.add(id(tensor))
                        parameters += tensor.numel()
            macs += facts[node].macs if node in flow.needed and node in facts else 0
            self._up_to[node] = parameters, macs // self._batch
        self._total = parameters, macs // self._batch

    def _parameters_of(self, nodes: set[fx.Node]) -> list[Tensor]:
        inventory = self._program.inventory
        members = [inventory.member(str(n.target)) for n in nodes if n.op in ("call_module", "get_attr")]
        found: list[Tensor] = []
        for member in members:
            if isinstance(member, nn.Module):
                found.extend(member.parameters())
            elif isinstance(member, nn.Parameter):
                found.append(member)
        return found

    def _survey(self) -> tuple[Place, ...]:
        reasons = {node: self._reason(node) for node in self._nodes}
        legal = {node for node, reason in reasons.items() if not reason}
        flow = self._flows[0]
        crossed = {node for node in self._nodes if self._others(node)}
        running = {n for n in flow.needed & flow.dependent if n in self._facts[0] and not self._facts[0][n].plain}
        front = {node for node in legal if node.op == "call_module" and self._is_preprocess(node)}
        blocks = block_cuts(self._program, self._names, legal - front, crossed, running)
        residual = {home(self._program, self._names, node) for node in crossed} - {None}
        places = []
        last: Cut | None = None
        for number, node in enumerate(self._nodes):
            names, reason = self._names[node], reasons[node]
            if reason and node in crossed and home(self._program, self._names, node) in residual:
                reason = f"{names.name} is inside a residual block: {reason}"
            cut = None if reason else self._cut(node, names, node in blocks, last)
            last = cut if cut and cut.grid else last
            readable = node in self._twin and self._facts[0][node].shape is not None
            places.append(Place(number, names.name, names.others, cut, reason, readable))
        return tuple(places)

    def _is_preprocess(self, node: fx.Node) -> bool:
        from_input = node.all_input_nodes == [self._program.placeholder]
        return from_input and str(node.target) == self._program.inventory.front

    def _others(self, node: fx.Node) -> list[str]:
        """The tensors that are still needed after ``node`` beside it, by name."""
        if not self._facts[0][node].floating or node not in self._twin:
            return []
        eval_live = self._flows[0].live[node] - {node}
        found = [value for value in eval_live if not self._facts[0][value].plain]
        twin = self._twin[node]
        for value in self._flows[1].live[twin] - {twin}:
            if value in self._back and self._back[value] not in found and not self._facts[1][value].plain:
                found.append(self._back[value])
        found.sort(key=lambda value: self._flows[0].place[value])
        return [self._names[v].name if v in self._names else "the input" for v in found]

    def _reason(self, node: fx.Node) -> str:
        """Why the network cannot be cut at ``node``, as a sentence; empty where it can."""
        name, fact = self._names[node].name, self._facts[0][node]
        if self._program.output.all_input_nodes == [node]:
            return f"{name} is the network's output: nothing is left to decode"
        if not fact.floating:
            return f"{name} is not a tensor of activations"
        if node not in self._twin:
            return f"{name} is not computed in train mode"
        if others := self._others(node):
            return f"{', '.join(others[:4])} {'is' if len(others) == 1 else 'are'} still needed after {name}"
        pair = node, self._twin[node]
        if any(flow.live[own] != {own} for flow, own in zip(self._flows, pair, strict=True)):
            numbers = sorted(self._names[value].name for value in self._flows[0].live[node] - {node})
            what = f"the number {', '.join(numbers)}" if numbers else "in train mode another value"
            return f"{what} is still needed after {name}"
        if not all(known[own].is_activation for known, own in zip(self._facts, pair, strict=True)):
            return f"{name} has no entry for each image: its shape is {fact.shape} for a batch of {self._batch}"
        return ""

    def _cut(self, node: fx.Node, names: Names, block: bool, last: Cut | None) -> Cut:
        shape = (self._facts[0][node].shape or ())[1:]
        kind, grid = cells(shape, layout(self._program, self._facts[0], node), last)
        parameters, macs = self._up_to[node]
        cut = Cut(
            name=names.name,
            layout=kind,
            shape=shape,
            stride=None,
            params_before=parameters,
            params_after=self._total[0] - parameters,
            macs_before=macs,
            macs_after=self._total[1] - macs,
            aliases=names.others,
            block=block,
            cells=grid,
        )
        if cut.grid is None or self._height is None:
            return cut
        return replace(cut, stride=self._height / cut.grid[0])
