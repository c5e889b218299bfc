"""Layers of a network by patterns."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from suture.errors import CutError, listed, nearest
from suture.hybrids import Parent
from suture.spec.cut import Cut
from suture.spec.layers import WILD


def matched(side: Parent, patterns: Sequence[str]) -> list[str]:
    """The layers that match one of the patterns, in the order of the network: every pattern must match some.

    A pattern with one of * ? [ stands for block cuts, by name or alias, or where it matches none, for every legal
    cut; any other is the name of a value that the network computes. Raises CutError.
    """
    fine = side.traced.cuts(fine=True)
    found = dict.fromkeys(name for pattern in patterns for name in _matching(side, fine, pattern))
    order = {cut.name: number for number, cut in enumerate(fine)}
    return sorted(found, key=lambda name: order.get(name, len(order)))


def _matching(side: Parent, fine: Sequence[Cut], pattern: str) -> list[str]:
    if not WILD & set(pattern):
        try:
            side.traced.describe(pattern)
        except CutError as error:
            raise error.of(side.origin) from error
        return [pattern]
    for cuts in (side.cuts, fine):
        if names := [cut.name for cut in cuts if any(fnmatchcase(name, pattern) for name in (cut.name, *cut.aliases))]:
            return names
    plain = "".join(letter for letter in pattern if letter not in WILD)
    raise CutError(
        f"no layer of {side.origin} matches {pattern}",
        expected=f"a pattern for some that suture layers --fine prints: {listed(cut.name for cut in side.cuts)}",
        instead=listed(nearest(plain, [cut.name for cut in fine])),
    )
