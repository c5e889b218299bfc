"""Second rung: torch.export, which runs the network's Python on an example and keeps the operations."""

from contextlib import redirect_stderr
from io import StringIO
from typing import final

from torch import Tensor, fx
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind

from suture.graph.inventory import Inventory
from suture.graph.program import INPUT, Call, Program
from suture.graph.untouched import drawing_nothing, untouched


def follow(inventory: Inventory, training: bool, example: Tensor) -> Program:
    """One mode of the network as a graph of operations, for any batch size and the example's other axes.

    Control flow on shapes and on Python values is settled as it was for the example. Raises whatever
    torch.export raises where it depends on the values of a tensor.
    """
    free_batch = ({0: Dim.DYNAMIC},)
    # torch.export prints the graph it had when it fails.
    with untouched(inventory.network, training), drawing_nothing(), redirect_stderr(StringIO()):
        exported = export(inventory.network, (example.clone(),), dynamic_shapes=free_batch, strict=False)
    return _Rewrite(exported, inventory).program()


@final
class _Rewrite:
    """An exported program as ours: parameters are read from the network, and calls come from the metadata."""

    def __init__(self, exported: ExportedProgram, inventory: Inventory) -> None:
        self._exported = exported
        self._inventory = inventory
        self._graph = fx.Graph()
        self._scopes: dict[fx.Node, tuple[Call, ...]] = {}

    def program(self) -> Program:
        known: dict[fx.Node, fx.Node] = {}
        for node in self._exported.graph.nodes:
            if node.op == "placeholder":
                known[node] = self._argument(node)
            elif node.op == "output":
                (results,) = node.args
                values = [known[value] if isinstance(value, fx.Node) else value for value in results]
                self._graph.output(values[0] if len(values) == 1 else tuple(values))
            else:
                known[node] = self._graph.node_copy(node, lambda source: known[source])
                self._scopes[known[node]] = self._calls(node)
        return Program(self._graph, self._inventory, self._scopes, self._outputs())

    def _argument(self, node: fx.Node) -> fx.Node:
        signature = self._exported.graph_signature
        spec = next(spec for spec in signature.input_specs if spec.arg.name == node.name)
        if spec.kind is InputKind.USER_INPUT:
            return self._graph.placeholder(INPUT)
        name = self._inventory.public(str(spec.target))
        if name not in self._inventory.tensors:
            name = self._inventory.constant(self._exported.constants[str(spec.target)])
        return self._graph.get_attr(name)

    def _calls(self, node: fx.Node) -> tuple[Call, ...]:
        calls = []
        for key, (spelled, _kind) in node.meta.get("nn_module_stack", {}).items():
            path, number = self._inventory.public(spelled.partition("@")[0]), key.partition("@")[2]
            if path and path in self._inventory.modules:
                calls.append(Call(path, int(number or 0)))
        return tuple(calls)

    def _outputs(self) -> tuple[tuple[Call, fx.Node], ...]:
        """A module returns the one value made inside its call that is read outside of it."""
        order = {node: number for number, node in enumerate(self._graph.nodes)}
        inside: dict[Call, list[fx.Node]] = {}
        for node, calls in self._scopes.items():
            for call in calls:
                inside.setdefault(call, []).append(node)
        found = []
        for call, nodes in inside.items():
            own = set(nodes)
            read = [node for node in nodes if any(user not in own for user in node.users)]
            if len(read) == 1:
                depth = self._scopes[read[0]].index(call)
                found.append((order[nodes[-1]], -depth, call, read[0]))
        return tuple((call, node) for _, _, call, node in sorted(found, key=lambda entry: entry[:2]))
