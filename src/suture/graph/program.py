"""What following a network yields: a graph, and which value is the output of which module call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, final

import torch
from torch import fx

from suture.graph.inventory import Inventory

INPUT: Final = "input"


class Call(NamedTuple):
    """The call of the module at ``path`` that comes after ``number`` others."""

    path: str
    number: int


@final
@dataclass(frozen=True)
class Program:
    """One mode of one network. Targets of module and attribute nodes are names of the inventory.

    ``scopes`` gives the module calls around a node, innermost last (the root left out); ``outputs`` the
    module calls that return one value, in the order in which they return, ``bundles`` those that return several.
    A ``settled`` graph holds for the sizes of the example only, the number of images aside.
    """

    graph: fx.Graph
    inventory: Inventory
    scopes: Mapping[fx.Node, tuple[Call, ...]]
    outputs: tuple[tuple[Call, fx.Node], ...]
    bundles: tuple[tuple[Call, tuple[fx.Node, ...]], ...] = ()
    settled: bool = False

    def unbundled(self, is_tensor: Callable[[fx.Node], bool]) -> "Program":
        """The same, where a call that returns one tensor beside numbers returns that tensor."""
        found = [(call, [node for node in nodes if is_tensor(node)]) for call, nodes in self.bundles]
        single = [(call, nodes[0]) for call, nodes in found if len(nodes) == 1]
        place = {node: number for number, node in enumerate(self.graph.nodes)}
        outputs = sorted((*self.outputs, *single), key=lambda entry: place[entry[1]])
        return replace(self, outputs=tuple(outputs), bundles=())

    @property
    def placeholder(self) -> fx.Node:
        return self._first("placeholder")

    @property
    def output(self) -> fx.Node:
        return self._first("output")

    def _first(self, op: str) -> fx.Node:
        node: fx.Node = next(node for node in self.graph.nodes if node.op == op)
        return node


def operation(node: fx.Node) -> str:
    """The bare name of what a node does: ``add`` for ``operator.add``, ``aten.add_.Tensor``, ``Tensor.add_``."""
    target = node.target
    if isinstance(target, torch._ops.OpOverload):
        name = target._schema.name.rpartition("::")[2]
    elif isinstance(target, str):
        name = target.rpartition(".")[2]
    else:
        name = getattr(target, "__name__", type(target).__name__)
    return name.strip("_") or name
