"""A module that runs a part of a graph with the network's own submodules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, final

from torch import Tensor, fx, nn
from torch.fx.graph import PythonCode
from torch.fx.node import map_arg

from suture.errors import CutError
from suture.graph.inventory import Inventory
from suture.graph.program import INPUT, operation
from suture.graph.watching import kept as keep

Run = Callable[[nn.Module, Tensor], Any]
Read = Callable[[str, Tensor], Any]


@final
class Piece(nn.Module):
    """Runs the first of two graphs in eval mode, the second in train mode.

    Submodules, parameters and buffers are the network's own objects under the network's own names, so that
    training the piece trains the network. Moving a piece to another device moves the parameters it shares; a
    buffer that belongs to no submodule of torch.nn is then shared no longer.

    With ``shape`` it takes nothing else (without the batch axis): numbers in its graphs hold for that shape only.
    ``entry`` is the shape that the example had where the piece begins, None for a piece that takes images.
    """

    def __init__(self, inventory: Inventory, graphs: Sequence[fx.Graph], shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.entry: tuple[int, ...] | None = None
        self.training = inventory.network.training
        fill(self, inventory, _targets(graphs))
        codes = [graph.python_code("self") for graph in graphs]
        self._evaluating = _compiled(codes[0])
        self._training = self._evaluating if codes[0].src == codes[1].src else _compiled(codes[1])

    @property
    def same_in_both_modes(self) -> bool:
        return self._evaluating is self._training

    def forward(self, x: Tensor) -> Any:
        if self.shape and isinstance(x, Tensor) and x.shape[1:] != self.shape:
            raise CutError(
                f"this part of the network was given activations of shape {tuple(x.shape[1:])}",
                expected=f"{self.shape}: at this cut the network goes by numbers that it read off its input before",
                instead="images of the size of the example, or another example=... of the size of the images",
            )
        run = self._training if self.training else self._evaluating
        return run(self, x)


def fill(owner: nn.Module, inventory: Inventory, names: Iterable[str]) -> None:
    """Give ``owner`` the named modules, parameters and buffers, each under all the names it has."""
    asked = {same for name in names for same in inventory.names(name)}
    wanted = [name for name in (*inventory.modules, *inventory.tensors) if name in asked]
    for name in wanted:
        member = inventory.member(name)
        if isinstance(member, nn.Module):
            parent, last = _parent(owner, name)
            if last not in parent._modules:
                parent.add_module(last, member)
    for name in wanted:
        member = inventory.member(name)
        if not isinstance(member, nn.Module):
            parent, last = _parent(owner, name)
            if isinstance(member, nn.Parameter) and last not in parent._parameters:
                parent.register_parameter(last, member)
            elif not isinstance(member, nn.Parameter) and last not in parent._buffers:
                parent.register_buffer(last, member, persistent=inventory.persistent(name))


def _parent(owner: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The module that is to hold ``name``, made of empty modules where it does not exist yet."""
    *path, last = name.split(".")
    for part in path:
        if part not in owner._modules:
            empty = nn.Module()
            empty.training = owner.training
            owner.add_module(part, empty)
        child = owner._modules[part]
        if child is None:
            raise KeyError(name)
        owner = child
    return owner, last


def _targets(graphs: Iterable[fx.Graph]) -> set[str]:
    return {str(node.target) for graph in graphs for node in graph.nodes if node.op in ("call_module", "get_attr")}


def _compiled(code: PythonCode) -> Run:
    scope = dict(code.globals)
    exec(compile(code.src, "<suture.graph.piece>", "exec"), scope)
    run: Run = scope["forward"]
    return run


def part(
    nodes: Iterable[fx.Node],
    *,
    start: fx.Node | None = None,
    clone: bool = False,
    read: Iterable[fx.Node] = (),
    result: fx.Node | None = None,
    taps: Mapping[str, tuple[fx.Node, bool]] | None = None,
    given: Mapping[fx.Node, object] | None = None,
    watched: Mapping[str, fx.Node] | None = None,
    read_tap: Read | None = None,
) -> fx.Graph:
    """A graph of ``nodes``, given in order, whose input takes the place of ``start`` (cloned first, on request).

    ``read`` are batch sizes and the like, to be read off the input anew where there is a ``start``; ``given`` are
    values that stand where nodes were. The graph returns
    ``result``, or the dict of ``taps`` (each cloned where its flag says so, or what ``read_tap`` makes of it), or what
    the output node among ``nodes`` returns; with ``watched`` that and a dict of these values, from which the rest is
    computed.
    """
    graph = fx.Graph()
    known: dict[fx.Node, Any] = dict(given or {})
    if start is not None:
        known[start] = graph.placeholder(INPUT)
        entry = known[start]
        if clone:
            known[start] = graph.call_method("clone", (entry,))
        wanted = set(read)
    else:
        wanted = set()
    kept: dict[str, fx.Node] = {}
    seen: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        if node in known:
            continue
        if node in wanted:
            known[node] = _read(graph, node, known[start])  # type: ignore[index]
        elif node.op == "output" and watched is not None:
            output = map_arg(node.args[0], lambda source: known[source])
            graph.output((output, {name: seen[value] for name, value in watched.items()}))
        else:
            known[node] = graph.node_copy(node, lambda source: known[source])
        if watched and node in watched.values():
            seen[node] = graph.call_function(keep, (known[node],))
            known[node] = graph.call_method("clone", (seen[node],))
        # At once: a later node may write to it.
        for name, (_, clone_it) in ((name, tap) for name, tap in (taps or {}).items() if tap[0] is node):
            if read_tap is not None:
                kept[name] = graph.call_function(_reading(read_tap, name), (known[node],))
            else:
                kept[name] = graph.call_method("clone", (known[node],)) if clone_it else known[node]
    if taps is not None:
        graph.output({name: kept[name] for name in taps})
    elif result is not None:
        graph.output(known[result])
    return graph


def _read(graph: fx.Graph, node: fx.Node, source: fx.Node) -> fx.Node:
    if operation(node) == "getattr":
        return graph.call_function(getattr, (source, node.args[1]))
    return graph.call_method("size", (source, 0))


def _reading(read: Read, name: str) -> Callable[[Tensor], Any]:
    def take(value: Tensor) -> Any:
        return read(name, value)

    return take
