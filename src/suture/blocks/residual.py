"""Blocks for a residual branch, put around a whole layer: x + f(layer(x) − x)."""

from suture.blocks.block import Site
from suture.errors import PlanError


def around_layer(block: str, site: Site) -> bool:
    """Whether ``block`` wraps a layer, so that what it acts on is what the layer changes.

    Raises PlanError where it wraps one that gives another shape than it takes.
    """
    if site.operation != "wrap":
        return False
    if site.given != site.shape:
        given = "no single tensor" if site.given is None else "x".join(map(str, site.given))
        raise PlanError(
            f"{block} around {site}, which takes {given}",
            expected="a layer that gives the shape that it takes, so that there is a change to act on",
            instead=f"inject {block} after the last layer of a residual branch",
        )
    return True
