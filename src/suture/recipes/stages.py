"""The stages of a backbone, found from its graph without its weights."""

from collections.abc import Sequence

from suture.errors import PlanError
from suture.hybrids import parent


def last_stages(source: str, wanted: Sequence[int], *, trust_code: bool = False) -> int:
    """How many stages ``wanted`` are, counted from 0 after the stem, where they are the last ones.

    Raises PlanError where they are not, and what loading and tracing raise.
    """
    from suture.graph.sections import sections
    from suture.sources import load

    side = parent(load(source, trust_code=trust_code, blank=True))
    names = [section.name for section in sections(side.traced)][1:]
    last, end = len(wanted), len(names)
    if sorted(wanted) != list(range(end - last, end)):
        counted = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        raise PlanError(
            f"stages {', '.join(map(str, wanted))} of {side.origin}, which has {end}: {counted}",
            expected="the last ones, as a frozen backbone is thawed from its end",
            instead=f"[{', '.join(map(str, range(max(0, end - last), end)))}]",
        )
    return last
