"""Which values of a graph are maps: channels over a grid of cells, legal cuts or not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, final

from torch import fx, nn

from suture.data.preprocess import Preprocess
from suture.graph.costs import Facts
from suture.graph.liveness import Liveness
from suture.graph.program import Program, operation
from suture.spec.cut import Cut

Grid = tuple[int, int]
_GROWS: Final = ("interpolate", "upsample", "conv_transpose2d", "pixel_shuffle")
_GROWING: Final = (nn.ConvTranspose2d, nn.Upsample, nn.PixelShuffle)


@final
@dataclass(frozen=True)
class Spatial:
    """A value with a grid that the output depends on; the network need not be cuttable there.

    ``cut`` says its name, layout, shape and grid; ``earlier`` are the names of the others it is computed from,
    ``preprocess`` the modules that resize and crop the images before it, in order.
    """

    cut: Cut
    earlier: frozenset[str] = frozenset()
    preprocess: tuple[Preprocess, ...] = ()


def frontier(values: Iterable[Spatial]) -> tuple[Spatial, ...]:
    """Those from which no other one is computed."""
    values = tuple(values)
    followed = frozenset[str]().union(*(value.earlier for value in values))
    return tuple(value for value in values if value.cut.name not in followed)


@dataclass(frozen=True)
class _Past:
    """What lies before a node: the last grid (that of the image, without a ``cut``), maps, resizing, parameters."""

    grid: Grid | None = None
    cut: Cut | None = None
    maps: frozenset[str] = frozenset()
    preprocess: tuple[Preprocess, ...] = ()
    learned: bool = False


def spatial(
    program: Program, facts: Facts, flow: Liveness, image: Grid | None, describe: Callable[[fx.Node, Cut | None], Cut]
) -> tuple[Spatial, ...]:
    """All values with more than one cell that the output depends on, in order.

    ``image`` is the grid of the example, ``describe`` what a cut at a node would be after another that has a grid.
    Left out are values that no parameter has a part in: the images themselves. Four axes are a map only where their
    grid may come from that before it, as heads of attention and tables of weights have four axes as well.
    """
    past: dict[fx.Node, _Past] = {program.placeholder: _Past(image)}
    found = []
    needed = flow.slice({program.output})
    for node in flow.order:
        if node not in needed or node in past or node.op == "output" or node not in facts or facts[node].plain:
            continue
        before = _joined([past[source] for source in node.all_input_nodes if source in past])
        learned = before.learned or _has_parameters(program, node)
        front = _preprocess(program, node)
        steps = (*before.preprocess, front) if front else before.preprocess
        cut = _map(program, facts, node, before, describe, resized=front is not None)
        here = _Past(before.grid, before.cut, before.maps, steps, learned)
        if cut is not None and cut.grid is not None:
            is_map = learned and cut.grid[0] * cut.grid[1] > 1
            if is_map:
                found.append(Spatial(cut, before.maps, steps))
            here = _Past(cut.grid, cut, before.maps | {cut.name} if is_map else before.maps, steps, learned)
        past[node] = here
    return tuple(found)


def _joined(pasts: list[_Past]) -> _Past:
    """Of several inputs the finest grid counts, and the later of equal ones."""
    gridded = [past for past in pasts if past.grid]
    finest = max(gridded, key=lambda past: _cells(past.grid) if past.grid else 0, default=_Past())
    return _Past(
        finest.grid,
        finest.cut,
        frozenset[str]().union(*(past.maps for past in pasts)),
        tuple(dict.fromkeys(step for past in pasts for step in past.preprocess)),
        any(past.learned for past in pasts),
    )


def _map(
    program: Program,
    facts: Facts,
    node: fx.Node,
    before: _Past,
    describe: Callable[[fx.Node, Cut | None], Cut],
    resized: bool,
) -> Cut | None:
    fact = facts[node]
    if node.op == "get_attr" or not fact.is_activation or len(fact.shape or ()) not in (3, 4):
        return None
    cut = describe(node, before.cut)
    if cut.grid is None or resized or cut.cells or _grows(program, node):
        return cut
    return cut if _comes_from(cut.grid, before.grid) else None


def _comes_from(grid: Grid, before: Grid | None) -> bool:
    """Whether convolution, pooling or padding may have made ``grid``: hardly larger, and shrunk alike on both axes."""
    if before is None:
        return True
    smaller = all(side <= max(1.25 * was, was + 1) for side, was in zip(grid, before, strict=True))
    return smaller and 0.5 <= (grid[0] / before[0]) / (grid[1] / before[1]) <= 2


def _cells(grid: Grid) -> int:
    return grid[0] * grid[1]


def _preprocess(program: Program, node: fx.Node) -> Preprocess | None:
    module = program.inventory.modules[str(node.target)] if node.op == "call_module" else None
    return module if isinstance(module, Preprocess) else None


def _grows(program: Program, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(program.inventory.modules[str(node.target)], _GROWING)
    return operation(node).startswith(_GROWS)


def _has_parameters(program: Program, node: fx.Node) -> bool:
    if node.op == "call_module":
        return any(True for _ in program.inventory.modules[str(node.target)].parameters())
    own = [source for source in node.all_input_nodes if source.op == "get_attr"]
    return any(isinstance(program.inventory.member(str(source.target)), nn.Parameter) for source in own)
