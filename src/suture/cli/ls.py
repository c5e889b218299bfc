"""``suture ls``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from suture.cli import options
from suture.cli.app import app
from suture.errors import UsageError, nearest
from suture.spec import names

KINDS = ("models", "data", "adapters", "runs")


@app.command("ls", rich_help_panel="Look")
def ls(
    what: Annotated[str, typer.Argument(help="models, data, adapters or runs.")] = "models",
    filter: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
    json: options.Json = False,
) -> None:
    """What there is: networks by source, data sets, adapters, finished runs.

    Examples:

      suture ls models --filter resnet

      suture ls runs
    """
    if what not in KINDS:
        raise UsageError(
            f"ls knows nothing of {what!r}",
            expected=", ".join(KINDS),
            instead=f"suture ls {nearest(what, KINDS)[0]}",
        )
    found = [entry for entry in _entries(what) if filter in entry["name"]]
    options.show({what: found}, _table, json)


def _entries(what: str) -> list[dict[str, str]]:
    if what == "data":
        told = {"sample": "bundled", "cifar10": "cifar10[:ROOT]", "folder": "folder:PATH", "npz": "npz:PATH"}
        return [{"name": name, "what": told[name]} for name in names.DATA]
    if what == "adapters":
        return [{"name": name, "what": "adapter"} for name in names.ADAPTERS]
    if what == "runs":
        paths = sorted(Path("runs").glob("*/recipe.yaml"))
        state = {True: "finished", False: "not finished; the same command goes on"}
        return [{"name": p.parent.name, "what": state[(p.parent / "result.json").exists()]} for p in paths]
    return _models()


def _models() -> list[dict[str, str]]:
    from torchvision import models

    bundled = [{"name": f"zoo:{name}", "what": "bundled, trained on CIFAR-10"} for name in names.BUNDLED]
    plain = [{"name": f"zoo:{name}", "what": "architecture; weights by @PATH or @none"} for name in names.ZOO]
    outside = [{"name": f"torchvision:{name}", "what": "classifier"} for name in models.list_models(module=models)]
    return bundled + plain + outside


def _table(result: dict[str, Any]) -> Table:
    ((what, entries),) = result.items()
    table = Table(title=f"{len(entries)} {what}", title_justify="left")
    table.add_column("name", overflow="fold")
    table.add_column("")
    for entry in entries:
        table.add_row(entry["name"], entry["what"])
    return table
