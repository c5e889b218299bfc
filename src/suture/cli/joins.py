"""The options that stitch and search share."""

from typing import Annotated

import typer

from suture.spec.names import ADAPTERS, STARTS

A = Annotated[str, typer.Argument(help="The network that gives its first part, as KIND:NAME[@WEIGHTS].")]
B = Annotated[str, typer.Argument(help="The network that gives its last part.")]
Adapter = Annotated[str, typer.Option(help=", ".join(ADAPTERS) + ".")]
Resample = Annotated[str, typer.Option(help="Between grids: bilinear, nearest or none.")]
Init = Annotated[str, typer.Option(help="Start of the adapter: " + ", ".join(STARTS) + ".")]
Ridge = Annotated[float, typer.Option(min=0, help="Penalty of the least-squares start.")]
FitImages = Annotated[int, typer.Option(min=1, help="The first so many training images make the least-squares start.")]
Train = Annotated[str, typer.Option("--train", help="What may learn, comma-separated: adapter, decoder, head, all.")]
