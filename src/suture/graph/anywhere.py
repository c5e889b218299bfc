"""Values that may cross a cut unseen, because either side of it can have them: what shapes alone decide.

They are numbers and tensors such as rotary embeddings or masks of nothing but zeros.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from torch import fx

from suture.graph.costs import Fact, Facts
from suture.graph.program import operation

_RANDOM: Final = ("rand", "normal", "bernoulli", "multinomial", "dropout", "uniform", "exponential")
_TRAITS: Final = ("device", "dtype")


@final
@dataclass(frozen=True)
class Anywhere:
    """The nodes of one graph that hold such values.

    ``read`` can be read off any activation: the batch size, the device, the type. ``fixed`` are the numbers that no
    batch size changes, as they were for the example. ``computed`` follow from these alone.
    """

    read: frozenset[fx.Node]
    fixed: Mapping[fx.Node, object]
    computed: frozenset[fx.Node]

    def __contains__(self, node: fx.Node) -> bool:
        return node in self.read or node in self.fixed or node in self.computed


def anywhere(order: list[fx.Node], dependent: set[fx.Node], impure: set[fx.Node], facts: Facts, batch: int) -> Anywhere:
    """``dependent`` are the nodes that depend on the input, ``impure`` those that leave something behind.

    The value of an impure node may be fixed; the node must run in its own place all the same.
    """
    read, computed = set(), set()
    fixed: dict[fx.Node, object] = {}
    for node in order:
        if node not in dependent or node not in facts:
            continue
        if facts[node].steady:
            fixed[node] = facts[node].value
        elif node in impure:
            continue
        elif _is_batch_size(node, facts, batch) or _is_trait(node):
            read.add(node)
        elif not any(word in operation(node) for word in _RANDOM):
            inputs = [source for source in node.all_input_nodes if source in dependent]
            if inputs and all(source in read or source in fixed or source in computed for source in inputs):
                computed.add(node)
    return Anywhere(frozenset(read), fixed, frozenset(computed))


def _is_trait(node: fx.Node) -> bool:
    return operation(node) == "getattr" and len(node.args) == 2 and node.args[1] in _TRAITS


def _is_batch_size(node: fx.Node, facts: Mapping[fx.Node, Fact], batch: int) -> bool:
    """Whether ``node`` reads axis 0 of a batch: ``x.size(0)``, ``x.shape[0]`` or the like."""
    if facts[node].value != batch or not node.all_input_nodes:
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
