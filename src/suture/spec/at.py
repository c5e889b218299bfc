"""Where networks meet: ``X:Y``, the last layer of one and the layer of the next whose output the adapter replaces."""

from collections.abc import Iterable, Sequence
from typing import Any

from suture.errors import PlanError

Pair = tuple[str, str]
At = tuple[Pair, ...]


def read_at(at: Any, networks: int | None = None) -> At:
    """``"X1:Y1,X2:Y2"``, or a sequence of ``"X:Y"`` and ``(X, Y)``, one for each place where ``networks`` meet.

    Raises PlanError for anything else.
    """
    joins = at.split(",") if isinstance(at, str) else at
    if not isinstance(joins, Sequence) or not joins:
        raise _not_two_layers(at)
    found = tuple(_pair(join) for join in joins)
    if networks is not None and len(found) != networks - 1:
        raise PlanError(
            f"{spelled(found)} joins {len(found) + 1} networks, and there are {networks}",
            expected=f"{networks - 1} times X:Y",
            instead="--at " + (",".join(f"X{k}:Y{k}" for k in range(1, networks)) if networks > 2 else "X:Y"),
        )
    return found


def spelled(at: Iterable[Pair]) -> str:
    """``X1:Y1,X2:Y2``: what ``read_at`` reads."""
    return ",".join(f"{x}:{y}" for x, y in at)


def _pair(join: Any) -> Pair:
    names = tuple(name.strip() for name in join.split(":")) if isinstance(join, str) else join
    match names:
        case (str(x), str(y)) if x and y:
            return x, y
    raise _not_two_layers(join)


def _not_two_layers(given: Any) -> PlanError:
    return PlanError(
        f"{given!r} names no two layers",
        expected="X:Y, the last layer of one network and the layer of the next that the adapter replaces",
        instead="relu5:layer2.2, or X1:Y1,X2:Y2 for more (Python: [(X1, Y1), (X2, Y2)])",
    )
