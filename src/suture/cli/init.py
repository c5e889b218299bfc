"""``suture init``."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from suture.cli.app import app


@app.command(rich_help_panel="Build")
def init(
    template: Annotated[str, typer.Argument(help="Its name; without one all are listed.", show_default=False)] = "",
    out: Annotated[Path | None, typer.Option(help="The file", show_default="TEMPLATE.yaml")] = None,
) -> None:
    """Begin a recipe: a file with comments, to be changed and then run. No file is overwritten.

    Examples:

      suture init

      suture init hybrid --out my-hybrid.yaml
    """
    from suture.recipes.templates import SHIPPED, described, write_template

    if template:
        path = write_template(template, out or Path(f"{template}.yaml"))
        sys.stdout.write(f"{path}\n")
        return
    table = Table(title="suture init TEMPLATE", title_justify="left")
    table.add_column("template", no_wrap=True)
    table.add_column("")
    for name in SHIPPED:
        table.add_row(name, described(name))
    Console().print(table)
