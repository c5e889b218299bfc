"""Which layers of two networks are compared: named pairs ``X:Y``, or all that match a pattern."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from suture.errors import PlanError
from suture.spec.at import Pair

WILD = frozenset("*?[")


@dataclass(frozen=True)
class LayerChoice:
    """The ``pairs`` that are named; else all layers that match ``of_a`` by all that match ``of_b``, names or patterns.

    Where nothing is chosen it is all block cuts of both.
    """

    pairs: tuple[Pair, ...] = ()
    of_a: tuple[str, ...] = ()
    of_b: tuple[str, ...] = ()


def read_layers(given: Any) -> LayerChoice:
    """``"X1:Y1,X2:Y2"`` or a sequence of ``"X:Y"`` and ``(X, Y)`` are pairs; ``"layer*"`` is of both networks.

    As soon as one entry has no colon, or one of * ? [ in it, all entries are patterns: ``"layer*:features.*"`` are
    those of A and those of B. Raises PlanError.
    """
    entries = given.split(",") if isinstance(given, str) else given
    if not isinstance(entries, Sequence):
        raise _no_layers(given)
    spelled = [layer_entry(entry) for entry in entries]
    sides = [(x, y if colon else x) for x, colon, y in (entry.partition(":") for entry in spelled)]
    if all(":" in entry and not WILD & set(entry) for entry in spelled):
        return LayerChoice(pairs=tuple(sides))
    of_a, of_b = ([side[k] for side in sides] for k in (0, 1))
    return LayerChoice(of_a=tuple(dict.fromkeys(of_a)), of_b=tuple(dict.fromkeys(of_b)))


def layer_entry(given: Any) -> str:
    """One entry of such a sequence, as the command line spells it. Raises PlanError."""
    names = given.split(":") if isinstance(given, str) else given
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name.strip() for name in names):
        raise _no_layers(given)
    if len(names) > 2 or len(names) < (1 if isinstance(given, str) else 2):
        raise _no_layers(given)
    return ":".join(name.strip() for name in names)


def _no_layers(given: Any) -> PlanError:
    return PlanError(
        f"{given!r} names no layers of two networks",
        expected="X:Y, a layer of A and one of B, or a pattern for layers of both",
        instead="relu5:layer2.2, layer*, or layer*:features.* (Python: [(X, Y), ...])",
    )
