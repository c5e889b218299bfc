"""``suture layers``."""

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from suture.cli import options
from suture.cli.app import app

BAR = 10


@app.command(rich_help_panel="Look")
def layers(
    model: Annotated[str, typer.Argument(help="The network, as KIND:NAME[@WEIGHTS].")],
    fine: Annotated[bool, typer.Option("--fine", help="Every legal cut, not only those between blocks.")] = False,
    trust_code: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Where a network can be cut: name, layout, shape, and how much lies before and after.

    Examples:

      suture layers zoo:tiny10-a

      suture layers torchvision:resnet18@none --fine --json
    """
    from suture.recipes.layers import describe

    options.show(describe(model, fine=fine, trust_code=trust_code), table, json)


def table(result: dict[str, Any]) -> Table:
    total = f"{result['parameters']:,} parameters, {result['macs'] / 1e6:.1f} M MACs, traced by {result['tracer']}"
    drawn = Table(title=f"{result['network']}: {total}", title_justify="left")
    drawn.add_column("cut at", overflow="fold")
    drawn.add_column("layout")
    for column in ("shape", "stride", "parameters\nbefore", "MACs\nbefore"):
        drawn.add_column(column, justify="right")
    drawn.add_column("of all MACs", no_wrap=True)
    for cut in result["cuts"]:
        part = cut["macs_before"] / max(result["macs"], 1)
        drawn.add_row(
            Text(cut["name"]),
            cut["layout"],
            "×".join(map(str, cut["shape"])),
            "–" if cut["stride"] is None else f"{cut['stride']:.3g}",
            f"{cut['params_before']:,}",
            f"{cut['macs_before'] / 1e6:.2f} M",
            f"{part:4.0%} " + "█" * round(BAR * part),
        )
    return drawn
