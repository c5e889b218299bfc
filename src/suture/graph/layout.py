"""What the axes of a value mean."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from torch import fx, nn

from suture.graph.costs import Fact
from suture.graph.program import Program, operation
from suture.spec.cut import Layout

_CHANNELS_FIRST: Final = {
    *("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d", "interpolate", "pixel_shuffle"),
    *("batch_norm", "instance_norm", "group_norm", "dropout2d"),
    *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
}
_HOMES: Final = {
    "torch.nn.modules.conv": Layout.NCHW,
    "torch.nn.modules.batchnorm": Layout.NCHW,
    "torch.nn.modules.instancenorm": Layout.NCHW,
    "torch.nn.modules.pooling": Layout.NCHW,
    "torch.nn.modules.pixelshuffle": Layout.NCHW,
    "torch.nn.modules.upsampling": Layout.NCHW,
}


def layout(program: Program, facts: Mapping[fx.Node, Fact], node: fx.Node) -> Layout:
    """Two axes are NC, three tokens; four NCHW unless the nearest telling neighbour works on the last axis.

    Tokens are NLC unless the next to work on them is a convolution. More than four axes are tokens as well.
    """
    axes = len(facts[node].shape or ())
    if axes == 2:
        return Layout.NC
    if axes == 3:

        def works(other: fx.Node) -> Layout | None:
            return _takes_tokens(program, other)

        first = _nearest(facts, node, lambda other: other.users, works, past=False)
        return first or _nearest(facts, node, lambda other: other.all_input_nodes, works, past=True) or Layout.NLC
    if axes > 4:
        return Layout.NLC

    def consumer(other: fx.Node) -> Layout | None:
        return _reads(program, other)

    def producer(other: fx.Node) -> Layout | None:
        return _writes(program, other)

    forward = _nearest(facts, node, lambda other: other.users, consumer, past=False)
    return forward or _nearest(facts, node, lambda other: other.all_input_nodes, producer, past=True) or Layout.NCHW


def _nearest(
    facts: Mapping[fx.Node, Fact],
    start: fx.Node,
    neighbours: Callable[[fx.Node], Iterable[fx.Node]],
    tells: Callable[[fx.Node], Layout | None],
    past: bool,
) -> Layout | None:
    """The first verdict met on the way from ``start`` through values of its shape."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop(0)
        if past and (verdict := tells(node)):
            return verdict
        for other in neighbours(node):
            if not past and (verdict := tells(other)):
                return verdict
            if other in seen or other not in facts:
                continue
            seen.add(other)
            if facts[other].shape == facts[start].shape:
                waiting.append(other)
            elif verdict := _folded(facts[other].shape, facts[start].shape):
                return verdict
    return None


def _folded(tokens: tuple[int, ...] | None, grid: tuple[int, ...] | None) -> Layout | None:
    """What a grid must be if its rows and columns are the tokens of a neighbour."""
    if tokens is None or grid is None or (len(tokens), len(grid)) != (3, 4):
        return None
    last = tokens[1:] == (grid[1] * grid[2], grid[3])
    first = tokens[1:] == (grid[1], grid[2] * grid[3])
    if last == first:
        return None
    return Layout.NHWC if last else Layout.NCHW


def _works_on(program: Program, node: fx.Node) -> Layout | None:
    if node.op == "call_module":
        module = program.inventory.modules[str(node.target)]
        if isinstance(module, (nn.LayerNorm, nn.Linear)):
            return Layout.NHWC
        homes = [_HOMES[kind.__module__] for kind in type(module).__mro__ if kind.__module__ in _HOMES]
        if isinstance(module, nn.GroupNorm):
            return Layout.NCHW
        return homes[0] if homes else None
    if operation(node) in ("layer_norm", "linear"):
        return Layout.NHWC
    return Layout.NCHW if operation(node) in _CHANNELS_FIRST else None


def _takes_tokens(program: Program, node: fx.Node) -> Layout | None:
    if node.op == "call_module" and isinstance(
        program.inventory.modules[str(node.target)], (nn.Conv1d, nn.BatchNorm1d)
    ):
        return Layout.NCL
    return Layout.NLC if _works_on(program, node) is Layout.NHWC else None


def _order(node: fx.Node) -> tuple[object, ...]:
    """The axes that a permute names, () for anything else."""
    if operation(node) != "permute":
        return ()
    order = node.args[1] if len(node.args) == 2 else node.args[1:]
    return tuple(order) if isinstance(order, (list, tuple)) else ()


def _reads(program: Program, node: fx.Node) -> Layout | None:
    known: dict[tuple[object, ...], Layout] = {(0, 3, 1, 2): Layout.NHWC, (0, 2, 3, 1): Layout.NCHW}
    return known.get(_order(node)) or _works_on(program, node)


def _writes(program: Program, node: fx.Node) -> Layout | None:
    known: dict[tuple[object, ...], Layout] = {(0, 3, 1, 2): Layout.NCHW, (0, 2, 3, 1): Layout.NHWC}
    return known.get(_order(node)) or _works_on(program, node)
