"""The options that stitch and search share."""

from functools import partial
from typing import Annotated, Any

import typer

from suture.spec.names import ADAPTERS, MASKS, STARTS, WEIGHTINGS

_adapter = partial(typer.Option, rich_help_panel="Adapter")

A = Annotated[str, typer.Argument(help="The network that gives its first part, as KIND:NAME\\[@WEIGHTS].")]
B = Annotated[str, typer.Argument(help="The network that gives its last part, or its middle if more follow.")]
More = Annotated[list[str] | None, typer.Argument(metavar="c", help="More networks, in a row; the last ends it.")]


def join(
    adapter: Annotated[str, _adapter(help=", ".join(ADAPTERS))] = "linear",
    rank: Annotated[int | None, _adapter(min=1, help="Of the map, which is then lowrank: two factors")] = None,
    init: Annotated[str, _adapter(help="Its start: " + ", ".join(STARTS))] = "least-squares",
    mask: Annotated[
        str, _adapter(help="Which channels of A one of B may read (identity: all): " + ", ".join(MASKS))
    ] = "identity",
    flatten: Annotated[bool, _adapter("--flatten", help="Map all numbers of the activation, not channels")] = False,
    resample: Annotated[str, _adapter(help="Between grids: bilinear, nearest or none")] = "bilinear",
    fit_images: Annotated[int, _adapter(min=1, help="Training images for what is fitted, in file order")] = 1024,
    weight: Annotated[str, _adapter(help="What positions count by in a fit: " + ", ".join(WEIGHTINGS))] = "none",
    ridge: Annotated[float, _adapter(min=0, help="Penalty of the least-squares start")] = 0.0,
) -> dict[str, Any]:
    """Fields of every joining step."""
    return dict(locals())
