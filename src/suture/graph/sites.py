"""What single layers take and give, seen from one pass: shapes, and what their axes mean."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from suture.graph.frames import Frame, frame_of
from suture.graph.tokens import cells
from suture.graph.untouched import untouched
from suture.spec.cut import Cut, Layout

Shape = tuple[int, ...]
_FIRST: Final = {
    f"torch.nn.modules.{name}"
    for name in ("conv", "batchnorm", "instancenorm", "pooling", "pixelshuffle", "upsampling")
}


@dataclass(frozen=True)
class Seen:
    """An activation: its shape without the batch axis, what its axes mean, and where its cells and tokens are."""

    layout: Layout
    shape: Shape
    frame: Frame


@dataclass(frozen=True)
class Layer:
    """What a layer is given and what it gives; None where that is no single tensor, or another one every time.

    ``runs`` is how often the layer runs in a pass: 0 for one that is never called as a module.
    """

    given: Seen | None
    gives: Seen | None
    runs: int


@dataclass
class _Event:
    """A layer without layers inside, or a target: when it began and ended, and with what."""

    name: str
    module: nn.Module
    leaf: bool
    given: Shape | None
    begun: int
    gives: Shape | None = None
    ended: int = 0


def layers(network: nn.Module, targets: Iterable[str], example: Tensor) -> dict[str, Layer]:
    """What the named layers take and give in eval mode on ``example``; the network is left as it was."""
    wanted = set(targets)
    events = _run(network, wanted, example)
    found = {}
    for name in wanted:
        own = [event for event in events if event.name == name]
        given, gives = {event.given for event in own}, {event.gives for event in own}
        found[name] = Layer(
            _seen(events, own[0].begun, given.pop()) if len(given) == 1 else None,
            _seen(events, own[0].ended, gives.pop(), own[0].begun) if len(gives) == 1 else None,
            len(own),
        )
    return found


def _run(network: nn.Module, wanted: set[str], example: Tensor) -> list[_Event]:
    events: list[_Event] = []
    open_events: list[_Event] = []
    clock = 0

    def tick() -> int:
        nonlocal clock
        clock += 1
        return clock

    def enter(name: str, leaf: bool) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            given = next(iter((*args, *named.values())), None)
            open_events.append(_Event(name, module, leaf, _shape(given), tick()))

        return hook

    def leave(_module: nn.Module, _args: Any, output: Any) -> None:
        event = open_events.pop()
        event.gives, event.ended = _shape(output), tick()
        events.append(event)

    with untouched(network, False), torch.no_grad(), ExitStack() as handles:
        for name, module in network.named_modules(remove_duplicate=False):
            leaf = not any(True for _ in module.children())
            if name and (leaf or name in wanted):
                handles.callback(module.register_forward_pre_hook(enter(name, leaf), with_kwargs=True).remove)
                handles.callback(module.register_forward_hook(leave).remove)
        network(example)
    return events


def _shape(value: Any) -> Shape | None:
    return tuple(value.shape[1:]) if isinstance(value, Tensor) and value.ndim > 1 else None


def _seen(events: list[_Event], when: int, shape: Shape | None, begun: int | None = None) -> Seen | None:
    """The activation of a shape at a time; ``begun`` is when the layer that gives it began."""
    if shape is None:
        return None
    layout = _layout(events, when, shape, begun)
    if layout is None:
        return None
    if layout in (Layout.NLC, Layout.NCL):
        for last in _grids(events, when):
            told, grid = cells(shape, layout, last)
            if grid:
                return _framed(told, shape, grid)
    return _framed(layout, shape, None)


def _framed(layout: Layout, shape: Shape, grid: tuple[int, int] | None) -> Seen:
    cut = Cut("", layout, shape, None, 0, 0, 0, 0, cells=grid)
    return Seen(layout, shape, frame_of(cut, cut))


def _grids(events: list[_Event], when: int) -> Iterator[Cut]:
    """The maps before a time, the last one first."""
    before = sorted((event for event in events if event.ended <= when), key=lambda event: -event.ended)
    for event in before:
        for shape in (event.gives, event.given):
            if shape is not None and len(shape) == 3:
                layout = _tells(event, shape) or Layout.NCHW
                yield Cut("", layout, shape, None, 0, 0, 0, 0)


def _layout(events: list[_Event], when: int, shape: Shape, begun: int | None) -> Layout | None:
    """What the axes mean; None of the maps of films and volumes, which have one more."""
    if len(shape) == 1:
        return Layout.NC
    makers = sorted((event for event in events if event.leaf and event.ended <= when), key=lambda event: -event.ended)
    inside = [event for event in makers if begun is not None and event.begun >= begun]
    takers = sorted((event for event in events if event.leaf and event.begun >= when), key=lambda event: event.begun)
    verdicts = (
        *(_verdict(event, event.gives, shape) for event in inside),
        *(_verdict(event, event.given, shape) for event in takers),
        *(_verdict(event, event.gives, shape) for event in makers),
    )
    if len(shape) > 3:
        # Tokens in more than one axis, as of a nested transformer, have their channels last.
        return None if next(filter(None, verdicts), Layout.NLC) is Layout.NCL else Layout.NLC
    for verdict in verdicts:
        if verdict:
            return verdict
    return Layout.NCHW if len(shape) == 3 else Layout.NLC


def _verdict(event: _Event, near: Shape | None, shape: Shape) -> Layout | None:
    """What a layer that takes or gives ``near`` tells of an activation of ``shape``: the same, or moved axes."""
    if near is None or len(near) != len(shape):
        return None
    told = _tells(event, near)
    if told is None:
        return None
    first = told in (Layout.NCHW, Layout.NCL)
    kinds = (Layout.NCHW, Layout.NHWC) if len(shape) == 3 else (Layout.NCL, Layout.NLC)
    if near == shape:
        return kinds[0] if first else kinds[1]
    moved = (*near[1:], near[0]) if first else (near[-1], *near[:-1])
    return (kinds[1] if first else kinds[0]) if moved == shape else None


def _tells(event: _Event, shape: Shape) -> Layout | None:
    """On which axis of ``shape`` a layer has its channels, if that is plain from its kind or its size."""
    module = event.module
    kinds = (Layout.NCHW, Layout.NHWC) if len(shape) == 3 else (Layout.NCL, Layout.NLC)
    homes = {kind.__module__ for kind in type(module).__mro__}
    if homes & _FIRST or isinstance(module, nn.GroupNorm):
        return kinds[0]
    if isinstance(module, nn.Linear):
        return kinds[1]
    if isinstance(module, nn.LayerNorm):
        # Subclasses move the axes of maps themselves, so that the size has to tell.
        width = module.normalized_shape[-1]
        if type(module) is nn.LayerNorm or (shape[-1] == width != shape[0]):
            return kinds[1]
        return kinds[0] if shape[0] == width != shape[-1] else None
    return None
