"""Which values are still needed after each node of a graph."""

from collections.abc import Container, Iterable
from typing import final

from torch import fx

from suture.graph.anywhere import anywhere
from suture.graph.costs import Facts
from suture.graph.program import Program, operation
from suture.graph.purity import is_pure


@final
class Liveness:
    """One sweep over one graph.

    ``live[node]`` are the values that depend on the input, exist once ``node`` has run, and are read by what
    runs later. Not counted: values that depend on nothing (parameters and what is computed from them) or on nothing
    but shapes, which can be had again on either side of a cut. What is computed from an attribute that some node
    changes counts, for it must be computed once and in its place.
    """

    def __init__(self, program: Program, facts: Facts, batch: int) -> None:
        self.program = program
        self.order: list[fx.Node] = list(program.graph.nodes)
        self.place = {node: number for number, node in enumerate(self.order)}
        self.impure = {node for node in self.order if not is_pure(node, program.inventory)}
        self._touched = self._dependent()
        self.anywhere = anywhere(self.order, self._touched, self.impure, facts, batch)
        self.dependent = {node for node in self._touched if node not in self.anywhere}
        self.needed = self.slice({program.output} | self.impure)
        self.live = self._sweep()

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """What a node reads; a batch size can be read off any tensor, so it reads none in particular."""
        return [] if node in self.anywhere.read else node.all_input_nodes

    def slice(
        self, ends: Iterable[fx.Node], stop: fx.Node | None = None, given: Container[fx.Node] = ()
    ) -> set[fx.Node]:
        """``ends`` and all they are computed from, up to ``stop`` (left out) and to what is ``given``."""
        found: set[fx.Node] = set()
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if node not in found and node is not stop:
                found.add(node)
                waiting.extend(() if node in given else self.inputs(node))
        return found

    def before(self, cut: fx.Node) -> list[fx.Node]:
        """The nodes that the part up to ``cut`` runs, in order."""
        end = self.place[cut]
        ends = {cut} | {node for node in self.impure if self.place[node] <= end}
        return self._with_sources(ends)

    def whole(self) -> list[fx.Node]:
        """The nodes that the network runs, in order, the output node included."""
        return self._with_sources({self.program.output} | self.impure)

    def after(self, cut: fx.Node) -> list[fx.Node]:
        """The nodes that the part after ``cut`` runs, in order, the output node included."""
        return self._from(cut, {self.program.output}, self.program.output)

    def between(self, start: fx.Node, end: fx.Node) -> list[fx.Node]:
        """The nodes that the part after ``start`` and up to ``end`` runs, in order."""
        return self._from(start, {end}, end)

    def lost(self, start: fx.Node) -> dict[fx.Node, object]:
        """The fixed values that cannot be computed from ``start``, as they were for the example."""
        had = self._had_from(start) | {node for node in self.impure if self.place[node] > self.place[start]}
        return {node: value for node, value in self.anywhere.fixed.items() if node not in had}

    def _from(self, start: fx.Node, ends: set[fx.Node], last: fx.Node) -> list[fx.Node]:
        first, stop = self.place[start], self.place[last]
        ends = ends | {node for node in self.impure if first < self.place[node] <= stop}
        found = self.slice(ends, stop=start, given=self.lost(start))
        return [node for node in self.order if node in found]

    def _had_from(self, start: fx.Node) -> set[fx.Node]:
        """What can be computed from ``start``, attributes and batch sizes alone."""
        had = {start}
        for node in self.order[self.place[start] + 1 :]:
            inputs = [source for source in node.all_input_nodes if source in self._touched]
            if node in self.anywhere.read or all(source in had for source in inputs):
                had.add(node)
        return had | {node for node in self.order if node not in self._touched}

    def _with_sources(self, ends: set[fx.Node]) -> list[fx.Node]:
        found = self.slice(ends)
        read = self.anywhere.read
        while sources := {source for node in found & read for source in node.all_input_nodes} - found:
            found |= self.slice(sources)
        return [node for node in self.order if node in found]

    def _dependent(self) -> set[fx.Node]:
        changed = self._changed_attributes()
        dependent: set[fx.Node] = set()
        drifting: set[fx.Node] = set(changed)
        for node in self.order:
            inputs = node.all_input_nodes
            if any(source in drifting for source in inputs) and node.op != "output":
                drifting.add(node)
                dependent.add(node)
            if node.op == "placeholder" or any(source in dependent for source in inputs):
                dependent.add(node)
        return dependent

    def _changed_attributes(self) -> set[fx.Node]:
        """The attributes that a node writes to, as far as the graph shows it."""
        changed: set[fx.Node] = set()
        for node in self.impure:
            if node.op in ("call_function", "call_method") and operation(node) not in ("dropout", "assert"):
                waiting = node.all_input_nodes[:1]
                while waiting:
                    source = waiting.pop()
                    if source.op == "get_attr":
                        changed.add(source)
                    elif source.op != "placeholder" and not _reads_input(source):
                        waiting.extend(source.all_input_nodes)
        return changed

    def _sweep(self) -> dict[fx.Node, frozenset[fx.Node]]:
        last = {
            source: self.place[node]
            for node in self.order
            if node in self.needed and (node not in self.anywhere.fixed or node in self.impure)
            for source in self.inputs(node)
        }
        live: set[fx.Node] = set()
        result = {}
        for number, node in enumerate(self.order):
            if node in self.dependent and node.op != "output":
                live.add(node)
            live = {value for value in live if last.get(value, -1) > number}
            result[node] = frozenset(live)
        return result


def _reads_input(node: fx.Node) -> bool:
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node.op == "placeholder":
            return True
        if node not in seen:
            seen.add(node)
            waiting.extend(node.all_input_nodes)
    return False
