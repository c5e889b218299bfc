"""The options that stitch and search share."""

from typing import Annotated, Any

import typer

from suture.spec.names import ADAPTERS, STARTS

A = Annotated[str, typer.Argument(help="The network that gives its first part, as KIND:NAME[@WEIGHTS].")]
B = Annotated[str, typer.Argument(help="The network that gives its last part, or its middle if more follow.")]
More = Annotated[list[str] | None, typer.Argument(metavar="c", help="More networks, in a row; the last ends it.")]


def join(
    adapter: Annotated[str, typer.Option(help=", ".join(ADAPTERS))] = "linear",
    rank: Annotated[int | None, typer.Option(min=1, help="Of a lowrank adapter; else a quarter of the width")] = None,
    resample: Annotated[str, typer.Option(help="Between grids: bilinear, nearest or none")] = "bilinear",
    init: Annotated[str, typer.Option(help="Start of the adapter: " + ", ".join(STARTS))] = "least-squares",
    fit_images: Annotated[int, typer.Option(min=1, help="Training images for the least-squares start")] = 1024,
    ridge: Annotated[float, typer.Option(min=0, help="Penalty of the least-squares start")] = 0.0,
) -> dict[str, Any]:
    """Fields of every joining step."""
    return dict(locals())
