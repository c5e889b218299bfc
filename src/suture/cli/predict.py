"""``suture predict``."""

import sys
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from suture.cli import options
from suture.cli.app import app
from suture.cli.tables import share
from suture.errors import UsageError
from suture.reporting.spreadsheet import csv_text
from suture.spec.names import TTA

if TYPE_CHECKING:
    from suture.recipes.predict import Prediction


@app.command(rich_help_panel="Look")
def predict(
    model: Annotated[str, typer.Argument(help="The network, or the folder of a run.")],
    images: Annotated[list[str], typer.Argument(help="Image files, folders of them, or patterns such as 'in/*.png'.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes the table shows of each image")] = 3,
    temperature: Annotated[
        float, typer.Option(help="Divide the logits by this, as suture eval --report found it")
    ] = 1.0,
    tta: Annotated[str, typer.Option(help=f"Average over views of each image: {', '.join(TTA)}")] = "none",
    several: Annotated[
        bool, typer.Option("--several", help="Several labels an image (a run of such data knows it by itself)")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0 or mps")] = "auto",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out image files that cannot be read")] = False,
    trust_code: options.Trust = False,
    json: options.Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout, a column for each class")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only")] = False,
) -> None:
    """What a network says of images: class names and probabilities.

    Images are read as folder: data are, the square in the centre of each. A network that does not know the names of
    its classes has numbers for them.

    Examples:

      suture predict runs/my-network photo.jpg

      suture predict runs/my-network photos 'more/*.png' --tta flip --csv > answers.csv

      suture predict torchvision:resnet50 photo.jpg --top 5 --json
    """
    if json and csv:
        raise UsageError("--json and --csv", expected="one way to print the answers", instead="--json, or --csv")
    from suture.recipes.context import resolve_device
    from suture.recipes.predict import predict as predicted

    watch = options.watch(quiet or json)
    found = predicted(
        options.network_source(model),
        images,
        tta=tta,
        temperature=temperature,
        several=several or None,
        skip_bad=skip_bad,
        device=resolve_device(device),
        trust_code=trust_code,
        tell=watch.say,
    )
    if json:
        sys.stdout.write(dumps([_plain(one) for one in found], indent=2, allow_nan=False) + "\n")
    elif csv:
        rows = ([one.image, one.name, *_digits(one.confidence, *one.probabilities.values())] for one in found)
        sys.stdout.write(csv_text(["image", "class", "confidence", *found[0].probabilities], rows))
    else:
        Console().print(_table(found, top))


def _plain(one: "Prediction") -> dict[str, Any]:
    return {
        "image": one.image,
        "class": one.name,
        "confidence": one.confidence,
        "probabilities": one.probabilities,
    }


def _digits(*values: float) -> list[str]:
    return [f"{value:.6g}" for value in values]


def _table(found: "list[Prediction]", top: int) -> Table:
    table = Table()
    table.add_column("image", overflow="fold")
    count = min(top, len(found[0].probabilities))
    for rank in range(1, count + 1):
        table.add_column("class" if rank == 1 else f"{rank}.", overflow="fold")
    for one in found:
        best = sorted(one.probabilities.items(), key=lambda item: -item[1])[:count]
        table.add_row(Text(one.image), *(Text(f"{name} {share(value)}") for name, value in best))
    return table
