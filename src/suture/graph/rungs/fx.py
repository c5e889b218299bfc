"""First rung: symbolic tracing with torch.fx."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from suture.data.preprocess import Preprocess
from suture.graph.dropped import DroppedConv, DroppedLinear
from suture.graph.inventory import Inventory
from suture.graph.program import INPUT, Call, Program
from suture.graph.shadow import Shadow
from suture.graph.untouched import drawing_nothing, untouched

_LEAVES = (Preprocess, DroppedLinear, DroppedConv, torch.jit.ScriptModule)


def follow(inventory: Inventory, training: bool) -> Program:
    """One mode of the network as a graph. Raises what torch.fx raises where control flow depends on data."""
    tracer = _Tracer(inventory)
    with untouched(inventory.network, training), drawing_nothing():
        graph = tracer.trace(inventory.network)
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr") and node not in tracer.settled:
            node.target = inventory.public(str(node.target))
    return Program(graph, inventory, tracer.scopes, tuple(tracer.returned), tuple(tracer.bundles))


def _declared_leaves() -> tuple[set[type[nn.Module]], tuple[Callable[..., Any], ...]]:
    """Modules and functions that their library declared unfit for tracing."""
    registry = sys.modules.get("timm.layers")
    if registry is None:
        return set(), ()
    return set(registry.get_notrace_modules()), tuple(registry.get_notrace_functions())


@final
class _Tracer(fx.Tracer):
    """Keeps the calls around each node and the node each returns; sets nothing on the caller's module."""

    # Otherwise arithmetic on buffers alone happens now, and later weights never reach it.
    proxy_buffer_attributes = True

    def __init__(self, inventory: Inventory) -> None:
        self._leaves, functions = _declared_leaves()
        super().__init__(autowrap_functions=functions)
        # torch.fx looks for these functions where a forward is defined, which for a layer that is covered is elsewhere.
        covered = [module.covered for module in inventory.network.modules() if isinstance(module, Shadow)]
        self._autowrap_search += [sys.modules[type(layer).forward.__module__] for layer in covered]
        self._inventory = inventory
        self._stack: list[Call] = []
        self._calls: Counter[str] = Counter()
        self._gradients = torch.is_grad_enabled()
        self.scopes: dict[fx.Node, tuple[Call, ...]] = {}
        self.returned: list[tuple[Call, fx.Node]] = []
        self.bundles: list[tuple[Call, tuple[fx.Node, ...]]] = []
        self.settled: set[fx.Node] = set()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, Shadow):
            return self.is_leaf_module(m.covered, module_qualified_name)
        declared = isinstance(m, _LEAVES) or type(m) in self._leaves
        return declared or super().is_leaf_module(m, module_qualified_name)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:  # noqa: ARG002
        # One input; every other argument of forward keeps the default its author gave it.
        return root_fn, [self.root, self.create_proxy("placeholder", INPUT, (), {})]

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        path = self._inventory.public(self.path_of_module(m))
        call = Call(path, self._calls[path])
        self._calls[path] += 1
        if path:
            self._stack.append(call)
        try:
            result = super().call_module(m, forward, args, kwargs)
        finally:
            if path:
                self._stack.pop()
        if path and isinstance(result, fx.Proxy):
            self.returned.append((call, result.node))
        elif path and isinstance(result, tuple):
            proxies = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, fx.Proxy)]
            self.bundles.append((call, tuple(proxy.node for proxy in proxies)))
        return result

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        if torch.is_grad_enabled() != self._gradients and node.all_input_nodes:
            raise RuntimeError("the network switches gradients on or off for a part of itself")
        self.scopes[node] = tuple(self._stack)
        return node

    def create_arg(self, a: Any) -> Any:
        # The base class would set such a tensor as an attribute of the caller's module.
        if isinstance(a, Tensor) and not isinstance(a, nn.Parameter):
            known = {id(tensor) for tensor in self.root.buffers()}
            if id(a) not in known:
                node = self.create_node("get_attr", self._inventory.constant(a), (), {})
                self.settled.add(node)
                return node
        return super().create_arg(a)
