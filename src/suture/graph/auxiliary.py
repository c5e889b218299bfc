"""Auxiliary heads: outputs that a network gives in train mode only, as GoogLeNet's and Inception's do.

They read values from the middle of the network, so no cut before them could be legal with them on.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from suture.graph.piece import Piece
from suture.graph.program import Program
from suture.graph.purity import is_pure
from suture.graph.untouched import untouched
from suture.graph.verify import same


def without_auxiliary(training: Program, calm: Any, example: Tensor) -> tuple[Program, tuple[str, ...]]:
    """The train graph with auxiliary heads switched off, and their names; as given where there are none.

    ``calm`` is what the network returns for ``example`` in eval mode. The main output of the train graph is the one
    that equals it when all modules are in eval mode; where none does, everything stays on.
    """
    if not isinstance(calm, Tensor) or isinstance(_returned(training), fx.Node):
        return training, ()
    nodes = pytree.tree_leaves(_returned(training))
    network = training.inventory.network
    with untouched(network, False), torch.no_grad():
        results = pytree.tree_leaves(Piece(training.inventory, [training.graph] * 2).eval()(example.clone()))
    found = [
        node for node, result in zip(nodes, results, strict=True) if isinstance(node, fx.Node) and same(result, calm)
    ]
    if len(set(found)) != 1:
        return training, ()
    off = _only_beside(training, found[0])
    names = _heads(training, off)
    return _erased(training, off, found[0]), names


def _returned(program: Program) -> Any:
    """What the output node returns, looked up in the named tuple where the graph makes one."""
    (returned,) = program.output.args
    if isinstance(returned, fx.Node) and isinstance(returned.target, type) and issubclass(returned.target, tuple):
        fields = getattr(returned.target, "_fields", ())
        return (*returned.args, *(returned.kwargs[name] for name in fields if name in returned.kwargs))
    return returned


def _only_beside(program: Program, main: fx.Node) -> set[fx.Node]:
    """The nodes that serve nothing but outputs beside ``main``."""
    serving = _slice(program.output.all_input_nodes)
    kept = _slice([main, *(n for n in program.graph.nodes if n not in serving and _acts(program, n))])
    off = serving - kept
    for node in program.graph.nodes:
        if node.op != "output" and any(source in off for source in node.all_input_nodes):
            off.add(node)
    return off


def _acts(program: Program, node: fx.Node) -> bool:
    return node.op != "output" and not is_pure(node, program.inventory)


def _slice(ends: Iterable[fx.Node]) -> set[fx.Node]:
    found: set[fx.Node] = set()
    waiting = list(ends)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _heads(program: Program, off: set[fx.Node]) -> tuple[str, ...]:
    """The outermost modules that run for the auxiliary outputs alone."""
    kept = {call.path for node, calls in program.scopes.items() if node not in off for call in calls}
    names = [next((call.path for call in program.scopes.get(node, ()) if call.path not in kept), None) for node in off]
    order = {path: number for number, path in enumerate(program.inventory.modules)}
    return tuple(sorted({name for name in names if name}, key=lambda name: order[name]))


def _erased(program: Program, off: set[fx.Node], main: fx.Node) -> Program:
    program.output.args = (main,)
    for node in reversed(list(program.graph.nodes)):
        if node in off:
            program.graph.erase_node(node)
    scopes = {node: calls for node, calls in program.scopes.items() if node not in off}
    outputs = tuple(entry for entry in program.outputs if entry[1] not in off)
    return replace(
        program, scopes=scopes, outputs=outputs, bundles=tuple(b for b in program.bundles if not off & {*b[1]})
    )
