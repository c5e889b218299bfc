"""The stem and the stages of a network, each with the layer that hands on its last value, and its parameters."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from torch import nn

from suture.graph.blocks import is_trivial_module
from suture.graph.inventory import Inventory
from suture.graph.traced import Traced
from suture.graph.waypoints import Waypoint, waypoints
from suture.spec.cut import Cut

STEM: Final = "stem"
GROUPS: Final = 4
_FALL: Final = 1.5

Way = Sequence[Waypoint]


@final
@dataclass(frozen=True)
class Section:
    """A stretch of a network: the stem, or a stage.

    ``name`` is ``stem``, else the layers it is made of: ``layer1``, ``features.4–features.5``. ``end`` is the value
    that it gives, its last map, and ``output`` the outermost module whose output that is. ``parameters`` are names in
    the network's state dict.
    """

    name: str
    end: Cut
    output: str
    parameters: tuple[str, ...]


def sections(traced: Traced, head: Iterable[str] = (), added: Iterable[str] = ()) -> tuple[Section, ...]:
    """The stem and the stages of a network, in order.

    ``head`` are the parameters of its head, ``added`` those of blocks that were put into it: they are in no section.

    The stem is the first module that has parameters, with the normalisation, activation, pooling, class tokens and
    positions after it. A stage ends before the module in which the resolution falls, to two thirds of the rows or
    less: of a ResNet they are ``layer1`` to ``layer4``. Where the resolution never falls, as in a ViT, they are four
    groups of as many sibling layers each, the first with what is over; fewer where there are fewer layers. The last
    stage gives the last map.

    Every other parameter is in one section: the first that uses it; the last where none does (auxiliary
    heads), or where it comes between the last map and the head (normalisation, hidden layers of a classifier). A
    network without maps is taken by its vectors. Where nothing with parameters can be cut after the first layer all
    is stem; there are no sections where no legal cut is a layer's output.
    """
    way = waypoints(traced, head := frozenset(head))
    ends = _ends(traced, way)
    if not ends:
        return ()
    inventory = Inventory(traced.network)
    added = frozenset(added)
    named = {
        name: tensor
        for name, tensor in inventory.tensors.items()
        if isinstance(tensor, nn.Parameter) and name not in added
    }
    made = _parameters(traced, [way[end].cut for end in ends], named, head)
    rest = [name for name in named if name not in head.union(*made)]
    return tuple(
        Section(
            name=_spelled(names, named) if number else STEM,
            end=way[end].cut,
            output=way[end].outputs[0],
            parameters=tuple([*names, *rest] if end == ends[-1] else names),
        )
        for number, (end, names) in enumerate(zip(ends, made, strict=True))
    )


def _ends(traced: Traced, way: Way) -> list[int]:
    """Where on the way the stem and the stages end."""
    if not any(point.outputs for point in way):
        return []
    last = _last(way)
    stem = _stem(traced, way, last)
    if way[stem].learnt == way[last].learnt:
        return [stem]
    ends = list(_before_falls(way, stem, last)) or list(_groups(way, stem, last))
    return [stem, *(end for end in ends if way[end].learnt < way[last].learnt), last]


def _last(way: Way) -> int:
    """The last map, without pooling and dropout that stand in no module with it."""
    learnt = max(point.learnt for point in way)
    first = last = next(i for i, point in enumerate(way) if point.learnt == learnt)
    for here, there in pairwise(way[first:]):
        trails = not here.cut.block and _parents(there) & _parents(way[first])
        if not (trails or there.holders & way[first].holders):
            break
        last += 1
    return _handed_on(way, last)


def _parents(point: Waypoint) -> set[str]:
    return {name.rpartition(".")[0] for name in point.outputs}


def _handed_on(way: Way, at: int) -> int:
    """The last waypoint up to ``at`` that is the output of a module, or else the first after it."""
    before = (i for i in range(at, -1, -1) if way[i].outputs)
    return next(before, next((i for i in range(at, len(way)) if way[i].outputs), at))


def _stem(traced: Traced, way: Way, last: int) -> int:
    """The outermost module that the way begins in, if it is the smaller part of it, and what trims its output."""
    ends = [max(i for i in range(last + 1) if holder in way[i].holders) for holder in way[0].holders]
    end = max((i for i in ends if way[i].learnt * 2 < way[last].learnt), default=0)
    further = end
    while further + 1 < last and _is_trimming(traced, way[further], way[further + 1], way[last]):
        further += 1
    outer = way[0].holders | way[last].holders
    while further > end and not (way[further].outputs and way[further].holders & way[further + 1].holders <= outer):
        further -= 1
    return _handed_on(way, further)


def _is_trimming(traced: Traced, here: Waypoint, there: Waypoint, last: Waypoint) -> bool:
    """Whether all that is learnt on the way is normalisation, and tokens and positions of no module of their own."""
    if here.learnt == there.learnt:
        return True
    modules = Inventory(traced.network).modules
    piece = traced.between(here.cut.name, there.cut.name)
    owners = {name.rpartition(".")[0] for name, _ in piece.named_parameters()}
    around = {name for name in ("", *last.holders) if any(True for _ in modules[name].children())}
    return all(owner in around or is_trivial_module(modules[owner]) for owner in owners)


def _before_falls(way: Way, stem: int, last: int) -> Iterator[int]:
    """The ends of stages: before the outermost module that the resolution falls in and no earlier stage is part of."""
    start = stem
    for fall in _falls(way[: last + 1], stem):
        for holder in (*sorted(way[fall].holders, key=lambda path: path.count(".")), None):
            held = next((i for i, point in enumerate(way) if holder in point.holders), fall)
            end = _handed_on(way, held - 1) if held else 0
            if start < held and way[end].learnt > way[start].learnt:
                yield end
                start = end
                break


def _falls(way: Way, stem: int) -> Iterator[int]:
    """The first waypoints after the resolution fell, as the block cuts show it."""
    blocks = [i for i, point in enumerate(way) if i == stem or (i > stem and (point.cut.block or i == len(way) - 1))]
    for here, there in pairwise(blocks):
        if way[there].rows * _FALL <= way[here].rows:
            yield next(i for i in range(here + 1, there + 1) if way[i].rows <= way[there].rows)


def _groups(way: Way, stem: int, last: int) -> Iterator[int]:
    """The ends of all but the last of at most four groups of as many siblings each, the first with what is over."""
    layers: dict[str, list[int]] = {}
    run = 0
    for i in range(stem + 1, last + 1):
        for parent in _parents(way[i]):
            found = layers.setdefault(parent, [])
            # Of what differs by normalisation and activation only the last counts.
            if found and found[-1] > run:
                found.pop()
            found.append(i)
        run = i if way[i].cut.block else run
    siblings = max(layers.values(), key=len)
    size = max(1, len(siblings) // GROUPS)
    yield from (siblings[-1 - size * k] for k in reversed(range(1, min(GROUPS, len(siblings)))))


def _parameters(
    traced: Traced, ends: Sequence[Cut], named: Mapping[str, nn.Parameter], head: frozenset[str]
) -> list[list[str]]:
    """The names of the parameters that are first used up to each end, but for those of the head."""
    pieces = [traced.split(ends[0].name)[0], *(traced.between(a.name, b.name) for a, b in pairwise(ends))]
    taken = {id(named[name]) for name in head if name in named}
    found = []
    for piece in pieces:
        new = {id(parameter) for parameter in piece.parameters()} - taken
        found.append([name for name, parameter in named.items() if id(parameter) in new])
        taken |= new
    return found


def _spelled(parameters: Iterable[str], named: Iterable[str]) -> str:
    """The largest modules that hold nothing but ``parameters``, first to last."""
    own, others = set(parameters), set[str]()
    for name in named:
        path = name.split(".")
        others |= {".".join(path[:end]) for end in range(len(path))} if name not in own else set()
    found: dict[str, None] = {}
    for name in (name for name in named if name in own):
        path = name.split(".")
        whole = (".".join(path[:end]) for end in range(1, len(path)))
        found[next((path for path in whole if path not in others), name)] = None
    layers = [name for name in found if name not in own] or [*found]
    return layers[0] if len(layers) == 1 else f"{layers[0]}–{layers[-1]}"
