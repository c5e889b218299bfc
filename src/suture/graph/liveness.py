"""Which values are still needed after each node of a graph."""

from collections.abc import Iterable
from typing import final

from torch import fx

from suture.graph.costs import Fact
from suture.graph.program import Program, operation
from suture.graph.purity import is_pure


@final
class Liveness:
    """One sweep over one graph.

    ``live[node]`` are the values that depend on the input, exist once ``node`` has run, and are read by what
    runs later. Not counted: values that depend on nothing (parameters and what is computed from them), and
    numbers that depend on nothing but the batch size; both can be had again on either side of a cut. What is
    computed from an attribute that some node changes counts, for it must be computed once and in its place.
    """

    def __init__(self, program: Program, facts: dict[fx.Node, Fact], batch: int) -> None:
        self.program = program
        self.order: list[fx.Node] = list(program.graph.nodes)
        self.place = {node: number for number, node in enumerate(self.order)}
        self.impure = {node for node in self.order if not is_pure(node, program.inventory)}
        dependent = self._dependent()
        self.sizes = {node for node in dependent if _is_batch_size(node, facts, batch)}
        self.dependent = dependent - self._from_batch_size(dependent, facts)
        self.needed = self.slice({program.output} | self.impure)
        self.live = self._sweep()

    def inputs(self, node: fx.Node) -> list[fx.Node]:
        """What a node reads; a batch size can be read off any tensor, so it reads none in particular."""
        return [] if node in self.sizes else node.all_input_nodes

    def slice(self, ends: Iterable[fx.Node], stop: fx.Node | None = None) -> set[fx.Node]:
        """``ends`` and all they are computed from, up to ``stop`` (left out)."""
        found: set[fx.Node] = set()
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if node not in found and node is not stop:
                found.add(node)
                waiting.extend(self.inputs(node))
        return found

    def before(self, cut: fx.Node) -> list[fx.Node]:
        """The nodes that the part up to ``cut`` runs, in order."""
        end = self.place[cut]
        ends = {cut} | {node for node in self.impure if self.place[node] <= end}
        return self._with_sources(ends)

    def after(self, cut: fx.Node) -> list[fx.Node]:
        """The nodes that the part after ``cut`` runs, in order, the output node included."""
        end = self.place[cut]
        ends = {self.program.output} | {node for node in self.impure if self.place[node] > end}
        found = self.slice(ends, stop=cut)
        return [node for node in self.order if node in found]

    def _with_sources(self, ends: set[fx.Node]) -> list[fx.Node]:
        found = self.slice(ends)
        while sources := {source for size in found & self.sizes for source in size.all_input_nodes} - found:
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

    def _from_batch_size(self, dependent: set[fx.Node], facts: dict[fx.Node, Fact]) -> set[fx.Node]:
        """The batch sizes and the numbers computed from them alone."""
        found = set(self.sizes)
        for node in self.order:
            inputs = [source for source in node.all_input_nodes if source in dependent]
            number = node in facts and facts[node].number is not None and node not in self.impure
            if number and inputs and all(source in found for source in inputs):
                found.add(node)
        return found

    def _sweep(self) -> dict[fx.Node, frozenset[fx.Node]]:
        last = {source: self.place[node] for node in self.order if node in self.needed for source in self.inputs(node)}
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


def _is_batch_size(node: fx.Node, facts: dict[fx.Node, Fact], batch: int) -> bool:
    """Whether ``node`` reads axis 0 of a batch: ``x.size(0)``, ``x.shape[0]`` or the like."""
    if node not in facts or facts[node].number != batch or not node.all_input_nodes:
        return False
    source = node.all_input_nodes[0]
    if len(node.args) == 2 and node.args[1] == 0:
        if operation(node) in ("size", "sym_size"):
            return facts[source].is_batch(batch)
        if operation(node) == "getitem" and source.all_input_nodes:
            whole = source.all_input_nodes[0]
            shape = operation(source) == "size" or source.args[1:] == ("shape",)
            return shape and whole in facts and facts[whole].is_batch(batch)
    return operation(node) == "len" and facts[source].is_batch(batch)
