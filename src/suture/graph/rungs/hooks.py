"""Third rung: the order in which modules run, for networks whose Python no tracer can follow.

Nothing is known about what happens between modules. A cut is taken only where each module up to it was handed
the very tensor that the one before returned, on every probe, and where the halves give the network's output
back.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from suture.graph.inventory import Inventory
from suture.graph.untouched import untouched


@final
@dataclass(eq=False)
class Visit:
    """One call of one module: what went in and came out, if one tensor each, and the calls inside it.

    ``looked`` says how often Python code had asked for a value before and after the call.
    """

    path: str
    given: Tensor | None
    result: Tensor | None = None
    version: int = 0
    macs: int = 0
    looked: tuple[int, int] = (0, 0)
    inner: list["Visit"] = field(default_factory=list)


@final
@dataclass(frozen=True)
class Link:
    """One module of a chain that starts at the input."""

    path: str
    shape: tuple[int, ...]
    floating: bool
    overwritten: bool
    macs: int


@final
@dataclass(frozen=True)
class Trail:
    """One pass: the chain from the input, how often each module ran, which returned one tensor, the output."""

    links: tuple[Link, ...]
    calls: Mapping[str, int]
    readable: tuple[str, ...]
    output: Any
    reaches_output: bool
    macs: int


def record(inventory: Inventory, example: Tensor, training: bool) -> Trail:
    """Watch one pass of ``example`` through the network. The hooks are gone afterwards, also on error."""
    example = example.clone()
    root = Visit("", example)
    stack, seen = [root], list[Visit]()
    with untouched(inventory.network, training), torch.no_grad(), ExitStack() as handles:
        counter = handles.enter_context(FlopCounterMode(display=False))
        looks = handles.enter_context(_Looks())

        def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            given = args[0] if len(args) == 1 and not kwargs and isinstance(args[0], Tensor) else None
            visit = Visit(paths[module], given, macs=counter.get_total_flops(), looked=(looks.count(), 0))
            stack[-1].inner.append(visit)
            stack.append(visit)

        def leave(_module: nn.Module, _args: Any, result: Any) -> None:
            visit = stack.pop()
            seen.append(visit)
            visit.looked = visit.looked[0], looks.count()
            visit.macs = (counter.get_total_flops() - visit.macs) // 2
            if isinstance(result, Tensor):
                visit.result, visit.version = result, result._version

        paths = {module: path for path, module in reversed(inventory.modules.items()) if path}
        for module in paths:
            if module is not inventory.network and module is not inventory.modules.get(""):
                handles.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
                handles.callback(module.register_forward_hook(leave).remove)
        output = inventory.network(example)
        total = counter.get_total_flops() // 2
    visits, _ = _chain(root, output)
    links = tuple(_link(visit) for visit in visits)
    readable = tuple(dict.fromkeys(visit.path for visit in seen if visit.result is not None))
    reaches = bool(visits) and visits[-1].result is output
    return Trail(links, Counter(visit.path for visit in seen), readable, output, reaches, total)


def _link(visit: Visit) -> Link:
    result = visit.result
    if result is None:
        raise AssertionError(visit.path)
    overwritten = result._version != visit.version
    return Link(visit.path, tuple(result.shape), result.is_floating_point(), overwritten, visit.macs)


def _chain(visit: Visit, output: Any) -> tuple[list[Visit], Tensor | None]:
    """The calls inside ``visit`` that hand one tensor on from its input, and the last tensor they reach.

    A call is taken apart where the calls inside it lead all the way from what it was given to what it
    returned, or where it returns the network's output.
    """
    links: list[Visit] = []
    reached, looked = visit.given, visit.looked[0]
    for inner in visit.inner:
        handed_on = reached is not None and inner.given is reached and inner.result is not None
        # What was looked at may have decided that this module runs.
        if not handed_on or inner.looked[0] != looked:
            break
        parts, end = _chain(inner, output)
        if parts and end is inner.result:
            links.extend(parts)
        elif inner.result is output and inner.inner:
            links.extend(parts)
            break
        else:
            links.append(inner)
        reached, looked = inner.result, inner.looked[1]
    return links, reached


@final
class _Looks(TorchDispatchMode):
    """Counts what can decide which modules run: tensor values read by Python, and Python's random numbers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = 0
        self._state = random.getstate()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))

    def count(self) -> int:
        if random.getstate() != self._state:
            self._state = random.getstate()
            self._count += 1
        return self._count


def common(chains: Sequence[tuple[Link, ...]]) -> int:
    """How many modules at the start all chains share."""
    count = 0
    for links in zip(*chains, strict=False):
        if len({link.path for link in links}) > 1:
            break
        count += 1
    return count
