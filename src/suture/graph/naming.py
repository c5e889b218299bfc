"""What the values of a network are called."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from torch import fx

from suture.graph.inventory import joined
from suture.graph.program import Call, Program, operation

Key = tuple[str, Call | None, str, int]


@final
@dataclass(frozen=True)
class Names:
    """``name`` is shown, ``others`` mean the same value; ``call`` is the module call behind ``name``."""

    name: str
    others: tuple[str, ...] = ()
    call: Call | None = None


def counterparts(evaluating: Program, training: Program) -> dict[fx.Node, fx.Node]:
    """The train graph's node for each node of the eval graph; nodes of one mode only are left out.

    The names torch.fx gives are numbered through the whole graph, so one operation more in train mode would
    shift them all: values are matched by the module call that makes them, or by their number within it.
    """
    ours, theirs = _keys(evaluating), _keys(training)
    node_of = {key: node for node, key in theirs.items()}
    pairs = {node: node_of[key] for node, key in ours.items() if key in node_of}
    pairs[evaluating.placeholder] = training.placeholder
    taken = set(pairs.values())
    output_of = dict(training.outputs)
    for call, node in evaluating.outputs:
        other = output_of.get(call)
        if node not in pairs and other is not None and other not in taken:
            pairs[node] = other
            taken.add(other)
    return pairs


def _keys(program: Program) -> dict[fx.Node, Key]:
    keys: dict[fx.Node, Key] = {}
    for call, node in program.outputs:
        if call in program.scopes.get(node, ()):
            keys.setdefault(node, ("module", call, "", 0))
    seen: Counter[tuple[Call | None, str]] = Counter()
    for node in program.graph.nodes:
        if node not in keys and node.op in ("call_function", "call_method"):
            scope = _innermost(program, node)
            does = operation(node)
            keys[node] = ("operation", scope, does, seen[scope, does])
            seen[scope, does] += 1
    return keys


def _innermost(program: Program, node: fx.Node) -> Call | None:
    scopes = program.scopes.get(node, ())
    return scopes[-1] if scopes else None


def named(program: Program, shared: Iterable[tuple[Call, fx.Node]]) -> dict[fx.Node, Names]:
    """Names for all nodes but the input and the output.

    ``shared`` are the module outputs that hold in both modes. A value is named after the outermost module
    whose output it is, plain containers aside; where all are plain containers, after the innermost. Where a
    module runs several times its path means the last call; earlier ones are ``path@1``, ``path@2``.
    """
    calls: dict[fx.Node, list[Call]] = {}
    last: Counter[str] = Counter()
    for call, _ in program.outputs:
        last[call.path] = max(last[call.path], call.number)
    for call, node in shared:
        calls.setdefault(node, []).append(call)

    def spelled(call: Call) -> str:
        return call.path if call.number == last[call.path] else f"{call.path}@{call.number + 1}"

    chosen: dict[fx.Node, Call] = {}
    for node, own in calls.items():
        proper = [call for call in own if not program.inventory.is_container(call.path)]
        chosen[node] = proper[-1] if proper else own[0]
    taken = {spelled(call) for own in calls.values() for call in own} | set(program.inventory.modules)
    names: dict[fx.Node, Names] = {}
    for node in program.graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        graph_name = node.name.removeprefix("body_") if node.op == "call_module" else node.name
        if node in chosen:
            name = spelled(chosen[node])
            names[node] = Names(name, _others(name, [*map(spelled, calls[node]), graph_name]), chosen[node])
            continue
        scope = _innermost(program, node)
        if scope and node.op == "call_module":
            names[node] = Names(spelled(scope), _others(spelled(scope), [graph_name]))
            continue
        name = free(joined(scope.path, operation(node)) if scope else node.name, taken)
        taken.add(name)
        names[node] = Names(name, _others(name, [graph_name]))
    return names


def _others(name: str, spellings: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other for other in spellings if other != name))


def free(name: str, taken: set[str]) -> str:
    """``name``, or the first of ``name_1``, ``name_2`` … that is not taken."""
    number, result = 0, name
    while result in taken:
        number += 1
        result = f"{name}_{number}"
    return result
