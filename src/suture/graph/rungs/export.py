"""Second rung: torch.export, which runs the network's Python on an example and keeps the operations."""

import operator
from contextlib import redirect_stderr
from io import StringIO
from typing import Any, Final, final

import torch
from torch import Tensor, fx
from torch._higher_order_ops.wrap import wrap_with_autocast, wrap_with_set_grad_enabled
from torch.export import Dim, ExportedProgram, export
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from suture.graph.inventory import Inventory
from suture.graph.network import Network
from suture.graph.program import INPUT, Call, Program
from suture.graph.shadow import Shadow
from suture.graph.untouched import drawing_nothing, untouched

_CONTEXTS: Final = (wrap_with_autocast, wrap_with_set_grad_enabled)


def follow(inventory: Inventory, training: bool, example: Tensor) -> Program:
    """One mode of the network as a graph of operations, for any batch size and the example's other axes.

    Control flow on shapes and on Python values is settled as it was for the example; the preprocessing of a Network
    stays whole, and takes images of any size. Raises whatever torch.export raises where control flow depends on the
    values of a tensor.
    """
    whole = inventory.network
    # torch.export prints the graph it had when it fails.
    with untouched(whole, training), drawing_nothing(), redirect_stderr(StringIO()):
        body = whole.body if isinstance(whole, Network) else whole
        given = whole.preprocess(example) if isinstance(whole, Network) else example.clone()
        shapes: tuple[Any, ...] = ({0: Dim.DYNAMIC},)
        # The forward of a shadow takes its arguments as one tuple.
        shapes = (shapes,) if isinstance(body, Shadow) else shapes
        exported = export(body, (given,), dynamic_shapes=shapes, strict=False)
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
        known = {node: self._argument(node) for node in self._exported.graph.nodes if node.op == "placeholder"}
        values = self._copied(self._exported.graph_module, known)
        self._graph.output(values[0] if len(values) == 1 else tuple(values))
        return Program(self._graph, self._inventory, self._scopes, self._outputs(), settled=True)

    def _copied(self, module: fx.GraphModule, known: dict[fx.Node, Any]) -> list[Any]:
        """Copy what ``module`` runs, its inputs being ``known``; what it returns."""
        bundles: dict[fx.Node, list[Any]] = {}
        for node in module.graph.nodes:
            if node.op == "output":
                results = pytree.tree_leaves(node.args)
                return [known[value] if isinstance(value, fx.Node) else value for value in results]
            # Such a check would forbid to move the network to another device or type.
            if node.op == "placeholder" or node.target is torch.ops.aten._assert_tensor_metadata.default:
                continue
            if node.op == "get_attr":
                known[node] = getattr(module, str(node.target))
            elif node.target in _CONTEXTS:
                bundles[node] = self._inlined(node, known)
            elif node.target is operator.getitem and node.all_input_nodes[0] in bundles:
                known[node] = bundles[node.all_input_nodes[0]][int(str(node.args[1]))]
            else:
                known[node] = self._graph.node_copy(node, lambda source: known[source])
                self._scopes[known[node]] = self._calls(node)
        raise AssertionError("a graph without an output")

    def _inlined(self, node: fx.Node, known: dict[fx.Node, Any]) -> list[Any]:
        """What runs inside of ``torch.no_grad`` or a switched-off autocast, in line.

        Without gradients its results are detached. An autocast around the network reaches into it.
        """
        if node.target is wrap_with_autocast and node.args[2]:
            raise RuntimeError("the network switches autocast on for a part of itself")
        where = next(k for k, given in enumerate(node.args) if isinstance(given, fx.Node) and given.op == "get_attr")
        values: list[Any] = [known[given] if isinstance(given, fx.Node) else given for given in node.args[where:]]
        starts = [start for start in values[0].graph.nodes if start.op == "placeholder"]
        results = self._copied(values[0], dict(zip(starts, values[1:], strict=True)))
        if node.target is wrap_with_set_grad_enabled and not node.args[0]:
            return [self._graph.call_function(torch.ops.aten.detach.default, (value,)) for value in results]
        return results

    def _argument(self, node: fx.Node) -> fx.Node:
        signature = self._exported.graph_signature
        spec = next(spec for spec in signature.input_specs if spec.arg.name == node.name)
        if spec.kind is InputKind.USER_INPUT:
            return self._entry()
        name = self._public(str(spec.target))
        if name not in self._inventory.tensors:
            name = self._inventory.constant(self._exported.constants[str(spec.target)])
        return self._graph.get_attr(name)

    def _entry(self) -> fx.Node:
        """The input, behind the preprocessing where there is one."""
        entry = self._graph.placeholder(INPUT)
        if not isinstance(self._inventory.network, Network):
            return entry
        call = Call(self._inventory.front, 0)
        node = self._graph.call_module(call.path, (entry,))
        self._scopes[node] = (call,)
        return node

    def _public(self, path: str) -> str:
        return path if isinstance(self._inventory.network, Network) else self._inventory.public(path)

    def _calls(self, node: fx.Node) -> tuple[Call, ...]:
        calls = []
        for key, (spelled, _kind) in node.meta.get("nn_module_stack", {}).items():
            path, number = self._public(spelled.partition("@")[0]), key.partition("@")[2]
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
