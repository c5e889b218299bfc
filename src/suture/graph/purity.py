"""Whether a computation whose result nobody reads may be left out."""

import inspect
import operator
from typing import Final

import torch
from torch import fx, nn

from suture.graph.inventory import Inventory
from suture.graph.program import operation

_KNOWN: Final = ("torch", "operator", "_operator", "builtins", "math")
_STATEFUL: Final = {"batch_norm", "instance_norm", "embedding", "assert", "assert_async", "setitem"}
_IN_PLACE: Final = {
    getattr(operator, f"i{name}")
    for name in (
        "add",
        "and",
        "concat",
        "floordiv",
        "lshift",
        "matmul",
        "mod",
        "mul",
        "or",
        "pow",
        "rshift",
        "sub",
        "truediv",
        "xor",
    )
}


def is_pure(node: fx.Node, inventory: Inventory) -> bool:
    """True where nothing but its result remains of ``node``; in doubt False."""
    if node.op in ("placeholder", "get_attr", "output"):
        return node.op != "output"
    if node.op == "call_module":
        module = inventory.modules[str(node.target)]
        return all(_is_pure_module(part) for part in module.modules())
    if node.op == "call_method":
        name = str(node.target)
        return name != "__setitem__" and (name.startswith("__") or not name.endswith("_"))
    return _is_pure_function(node)


def _is_pure_module(module: nn.Module) -> bool:
    named = type(module).__module__.startswith("torch.nn.modules.")
    restless = "dropout" in type(module).__name__.lower() or "dropout" in module.__dict__
    return named and not (module._buffers or getattr(module, "inplace", False) or restless)


def _is_pure_function(node: fx.Node) -> bool:
    target, name = node.target, operation(node)
    if target in _IN_PLACE or name in _STATEFUL or "dropout" in name or node.kwargs.get("out") is not None:
        return False
    if isinstance(target, torch._ops.OpOverload):
        return not target._schema.is_mutable and bool(target._schema.returns)
    home = (getattr(target, "__module__", None) or "torch").partition(".")[0]
    spelled = getattr(target, "__name__", "")
    if home not in _KNOWN or (spelled.endswith("_") and not spelled.startswith("__")):
        return False
    return not _asks_in_place(node)


def _asks_in_place(node: fx.Node) -> bool:
    try:
        signature = inspect.signature(node.target)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return bool(node.kwargs.get("inplace", False))
    if "inplace" not in signature.parameters:
        return False
    return bool(signature.bind(*node.args, **node.kwargs).arguments.get("inplace", False))
