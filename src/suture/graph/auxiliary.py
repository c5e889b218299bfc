"""Auxiliary heads: outputs that a network gives in train mode only, as GoogLeNet's and Inception's do.

They read values from the middle of the network, so no cut before them could be legal with them on.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor, fx
from torch.utils import _pytree as pytree

from suture.graph.naming import counterparts
from suture.graph.program import Program
from suture.graph.purity import is_pure

Programs = tuple[Program, Program]


def without_auxiliary(programs: Programs, outputs: tuple[Any, Any]) -> tuple[Programs, tuple[str, ...]]:
    """The same with auxiliary heads switched off, and their names; as given where there are none.

    They are what only train mode returns beside the one tensor of eval mode; ``outputs`` are what the network
    returned in the two modes. The train graph changes in place.
    """
    evaluating, training = programs
    if not isinstance(outputs[0], Tensor) or isinstance(outputs[1], Tensor):
        return programs, ()
    nodes = pytree.tree_leaves(_returned(training))
    alike = [isinstance(leaf, Tensor) and leaf.shape == outputs[0].shape for leaf in pytree.tree_leaves(outputs[1])]
    main = _main(programs, nodes, alike)
    if main is None:
        return programs, ()
    off = _only_beside(training, main)
    names = _heads(training, off)
    return (evaluating, _erased(training, off, main)), names


def _returned(program: Program) -> Any:
    """What the output node returns, looked up in the named tuple where the graph makes one."""
    (returned,) = program.output.args
    if isinstance(returned, fx.Node) and isinstance(returned.target, type) and issubclass(returned.target, tuple):
        return (*returned.args, *returned.kwargs.values())
    return returned


def _main(programs: Programs, nodes: list[Any], alike: list[bool]) -> fx.Node | None:
    """The output of train mode that is the one of eval mode; ``alike`` are those of its shape."""
    if len(nodes) != len(alike):
        return None
    evaluating, training = programs
    (calm,) = evaluating.output.all_input_nodes
    fitting = [node for node, fits in zip(nodes, alike, strict=True) if fits and isinstance(node, fx.Node)]
    twin = counterparts(evaluating, training).get(calm)
    return twin if twin in fitting else next(iter(fitting), None)


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
    kept = {call for node, calls in program.scopes.items() if node not in off for call in calls}
    names = [next((call.path for call in program.scopes.get(node, ()) if call not in kept), None) for node in off]
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
