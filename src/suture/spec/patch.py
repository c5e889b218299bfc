"""What is changed in a network: which block goes to which layer, and how."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from suture.errors import PlanError, listed, nearest
from suture.spec.names import BLOCKS

Operation = Literal["wrap", "inject", "replace"]
Position = Literal["after", "before"]
Value = bool | int | float | str | None
OPERATIONS: tuple[str, ...] = get_args(Operation)
POSITIONS: tuple[str, ...] = get_args(Position)
_FLAGS = ("identity_start", "allow_change")
_FIELDS = ("type", "params", "position", *_FLAGS)


@dataclass(frozen=True)
class Patch:
    """One change. ``target`` is the name of a layer, or a pattern in which ``*`` stands for (part of) one component.

    ``wrap`` passes the layer's output through ``block``, which may look at the layer's input as well; ``inject`` puts
    the block after the layer, or ``before`` it; ``replace`` puts it in the layer's place. ``params`` are the block's
    own, by name, in order of name. ``identity_start`` makes x + α(block(x) − x) of it with a learned α that begins at
    0. A block that gives another width or resolution than it must is refused unless ``allow_change``.
    """

    target: str
    operation: Operation
    block: str
    params: tuple[tuple[str, Value], ...] = ()
    position: Position = "after"
    identity_start: bool = False
    allow_change: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain data; what is as by default is left out."""
        told = {"target": self.target, "operation": self.operation, "block": self.block}
        more = {name: getattr(self, name) for name in _FLAGS if getattr(self, name)}
        where = {"position": self.position} if self.position != "after" else {}
        return told | ({"params": dict(self.params)} if self.params else {}) | where | more

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Patch":
        return cls(**{**plain, "params": tuple(sorted(plain.get("params", {}).items()))})

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.params]
        words += [f"position={self.position}"] if self.position != "after" else []
        words += [name for name in _FLAGS if getattr(self, name)]
        return f"{self.operation} {self.target}={' '.join([self.block, *words])}"


@dataclass(frozen=True)
class Fault:
    """What is wrong at a place of nested mappings and lists, by the keys that lead there."""

    place: tuple[str | int, ...]
    text: str


def read_patches(given: Any, identity_start: bool = False) -> tuple[Patch, ...]:
    """``{"layer3": {"wrap": "se"}}`` as patches, in order.

    A target has operations, or a list of such; an operation names a block, or is a mapping with ``type`` and perhaps
    ``params``, ``position``, ``identity_start`` and ``allow_change``, or a list of these. With ``identity_start``
    every wrap and injection that does not say otherwise starts as the identity. Raises PlanError with all that is
    wrong.
    """
    found, faults = parse_patches(given, identity_start)
    if faults:
        raise PlanError(
            "; ".join(f"{'.'.join(map(str, fault.place)) or 'patches'}: {fault.text}" for fault in faults),
            expected='a block for each layer, such as {"layer3": {"wrap": "se"}}, or {"type": ..., "params": {...}}',
            instead=f"operations {', '.join(OPERATIONS)}; blocks {', '.join(BLOCKS)}",
        )
    return found


def parse_patches(given: Any, identity_start: bool = False) -> tuple[tuple[Patch, ...], tuple[Fault, ...]]:
    """The patches that can be read, and everything that cannot, each with its place."""
    if not isinstance(given, Mapping):
        return (), (Fault((), f"{given!r} is no mapping of layers to what is done to them"),)
    patches: list[Patch] = []
    faults: list[Fault] = []
    for target, operations in given.items():
        for place, one in _each(operations, (target,)):
            if not isinstance(target, str) or not target.strip():
                faults.append(Fault(place, f"{target!r} is no name of a layer"))
            elif not isinstance(one, Mapping) or not one:
                faults.append(Fault(place, f"{one!r} is no operation; expected one of {', '.join(OPERATIONS)}"))
            else:
                for operation, blocks in one.items():
                    for inner, block in _each(blocks, (*place, operation)):
                        patch = _patch(target, operation, block, identity_start, inner, faults)
                        patches += [patch] if patch else []
    return tuple(patches), tuple(faults)


def patch_places(given: Any) -> Iterator[tuple[str | int, ...]]:
    """Where each patch stands that ``parse_patches`` finds in what it can read, or in a list of patches, in order."""
    if not isinstance(given, Mapping):
        yield from ((number,) for number, _ in enumerate(given or ()))
        return
    for target, operations in given.items():
        for place, one in _each(operations, (target,)):
            for operation, blocks in one.items():
                yield from (inner for inner, _ in _each(blocks, (*place, operation)))


def _each(given: Any, place: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(given, (list, tuple)):
        yield from (((*place, number), one) for number, one in enumerate(given))
    else:
        yield place, given


def _patch(
    target: str, operation: Any, given: Any, identity_start: bool, place: tuple[Any, ...], faults: list[Fault]
) -> Patch | None:
    told: Any = {"type": given} if isinstance(given, str) else given
    problems: list[Fault] = []

    def wrong(text: str, *more: Any) -> None:
        problems.append(Fault((*place, *more), text))

    if operation not in OPERATIONS:
        wrong(f"there is no operation {operation!r}; nearest: {nearest(str(operation), OPERATIONS, 1)[0]}")
    if not isinstance(told, Mapping):
        wrong(f"{given!r} is no block; expected one of {', '.join(BLOCKS)}")
        faults += problems
        return None
    for name in told:
        if name not in _FIELDS:
            near = nearest(str(name), _FIELDS, 1)[0]
            wrong(f"no such field; nearest: {near} (parameters of a block go to params)", name)
    block, params, position = told.get("type"), told.get("params") or {}, told.get("position", "after")
    flags: dict[str, Any] = {name: told.get(name, False) for name in _FLAGS}
    if block not in BLOCKS:
        near = listed(nearest(str(block), BLOCKS))
        wrong(f"there is no block {block!r}; nearest: {near}" if "type" in told else "type: missing")
    if not isinstance(params, Mapping) or not all(isinstance(value, Value) for value in params.values()):
        wrong(f"{params!r} are no parameters; expected names and single values", "params")
        params = {}
    if position not in POSITIONS:
        wrong(f"{position!r}; expected after or before", "position")
    elif operation != "inject" and "position" in told:
        wrong(f"only inject has one, not {operation}", "position")
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            wrong(f"{flag!r}; expected true or false", name)
    if operation == "replace" and flags["identity_start"] is True:
        wrong("a replacement has no identity to start from", "identity_start")
    if problems:
        faults += problems
        return None
    starts: Any = operation != "replace" and told.get("identity_start", identity_start)
    ordered = tuple(sorted((str(name), value) for name, value in params.items()))
    return Patch(target.strip(), operation, str(block), ordered, position, starts, flags["allow_change"])
