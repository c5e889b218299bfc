"""Values that may cross a cut unseen, because either side of it can have them: what shapes alone decide.

They are numbers and tensors such as rotary embeddings or masks of nothing but zeros.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from torch import fx

from suture.graph.costs import Facts
from suture.graph.program import operation

_RANDOM: Final = ("rand", "normal", "bernoulli", "multinomial", "dropout", "uniform", "gumbel", "rrelu", "attention")


@final
@dataclass(frozen=True)
class Anywhere:
    """The nodes of one graph that hold such values.

    ``read`` can be read off any activation: the batch size, the device, and the type where all have the same.
    ``fixed`` are numbers that come from other axes than the batch's, and values that are always None, as they were
    for the example. ``computed`` follow from these alone.
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
    read, computed, tainted = set(), set(), set[fx.Node]()
    fixed: dict[fx.Node, object] = {}
    typed = len({fact.dtype for fact in facts.values() if fact.floating}) == 1
    for node in order:
        if node not in dependent or node not in facts:
            continue
        inputs = [source for source in node.all_input_nodes if source in dependent]
        if facts[node].shape is None:
            if _is_batch_size(node, facts, batch) or _is_trait(node, "device", *(("dtype",) if typed else ())):
                read.add(node)
            nothing = facts[node].steady and facts[node].value is None
            # Numbers that follow the batch, or anything but shapes, are not what they were for the example.
            if not nothing and (node in read or _misleads(node, facts) or any(s in tainted for s in inputs)):
                tainted.add(node)
            elif facts[node].steady:
                fixed[node] = facts[node].value
            elif facts[node].plain and not isinstance(facts[node].value, tuple):
                tainted.add(node)
        if node in read or node in fixed or node in impure or facts[node].overwritten or _is_random(node):
            continue
        if inputs and all(source in read or source in fixed or source in computed for source in inputs):
            computed.add(node)
    return Anywhere(frozenset(read), fixed, frozenset(computed))


def _misleads(node: fx.Node, facts: Facts) -> bool:
    """Whether a plain value comes from a tensor by other means than the length of an axis."""
    if not any(facts[source].shape is not None for source in node.all_input_nodes if source in facts):
        return False
    if operation(node) in ("size", "sym_size", "dim", "ndimension", "len"):
        return False
    if operation(node) == "getattr":
        return node.args[1] not in ("shape", "ndim")
    # A function of another library may return numbers beside a tensor; torch's own tell of values, types, devices.
    home = str(getattr(node.target, "__module__", None) or "torch").partition(".")[0]
    return node.op == "call_method" or (home in ("torch", "builtins", "_operator") and node.target != operator.getitem)


def _is_trait(node: fx.Node, *names: str) -> bool:
    return operation(node) == "getattr" and len(node.args) == 2 and node.args[1] in names


def _is_random(node: fx.Node) -> bool:
    name = operation(node)
    packet: Any = getattr(torch.ops.aten, name, None)
    overloads = [getattr(packet, overload) for overload in packet.overloads()] if packet else []
    return any(word in name for word in _RANDOM) or any(
        torch.Tag.nondeterministic_seeded in overload.tags for overload in overloads
    )


def _is_batch_size(node: fx.Node, facts: Facts, batch: int) -> bool:
    """Whether ``node`` reads axis 0 of a batch: ``x.size(0)``, ``x.shape[0]`` or the like."""
    if facts[node].value != batch or not node.all_input_nodes:
        return False
    source = node.all_input_nodes[0]
    if len(node.args) == 2 and node.args[1] == 0:
        if operation(node) in ("size", "sym_size"):
            return facts[source].batched
        if operation(node) == "getitem" and source.all_input_nodes:
            whole = source.all_input_nodes[0]
            shape = operation(source) == "size" or source.args[1:] == ("shape",)
            return shape and whole in facts and facts[whole].batched
    return operation(node) == "len" and facts[source].batched
