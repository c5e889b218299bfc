"""``suture ls``."""

import re
from collections import Counter
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from suture.cli import options
from suture.cli.app import app
from suture.errors import UsageError, listed, nearest
from suture.recipes.templates import SHIPPED, described
from suture.spec import names

KINDS = ("models", "data", "adapters", "fusions", "blocks", "recipes", "runs")
FUSIONS = {
    "concat": "features side by side, one hidden layer",
    "bottleneck": "each backbone brought to one width first, then as concat",
    "add": "each brought to one width, then summed",
    "gated": "each brought to one width, weighted anew for every image",
    "cross-attention": "each a token of a small transformer",
    "logit-average": "a linear layer each, the mean of the logits",
    "maps": "the last maps on one grid, joined before they are pooled",
}
FAMILIES = 24
FEW, MANY = 16, 100


@app.command("ls", rich_help_panel="Look")
def ls(
    what: Annotated[str, typer.Argument(help="models, data, adapters, fusions, blocks, recipes or runs.")] = "models",
    filter: Annotated[
        str, typer.Option(help="Only names that contain this, or fit it where it has a * or ?. Case does not matter.")
    ] = "",
    json: options.Json = False,
) -> None:
    """What there is: networks by source, data sets, adapters, fusions, blocks, recipes, runs. Nothing is fetched.

    Examples:

      suture ls models --filter resnet

      suture ls models --filter 'timm:vit_tiny*'

      suture ls runs
    """
    if what not in KINDS:
        raise UsageError(
            f"ls knows nothing of {what!r}",
            expected=", ".join(KINDS),
            instead=f"suture ls {nearest(what, KINDS)[0]}",
        )
    entries = _entries(what)
    found = [entry for entry in entries if matches(filter, entry["name"])]
    if not found:
        near = f" fit {filter!r}; the nearest are {_nearest(filter, entries)}" if entries else " here"
        options.watch(quiet=False).say(f"no {what}{near}")
    if found or json:
        draw = _table if what != "models" else _models if filter else _overview
        options.show({what: found}, draw, json)


def matches(pattern: str, name: str) -> bool:
    """Whether ``name`` contains ``pattern``; with a * or ?, whether all of it, or of what follows KIND:, fits."""
    pattern, name = pattern.lower(), name.lower()
    if not set("*?") & set(pattern):
        return pattern in name
    return fnmatchcase(name, pattern) or fnmatchcase(name.partition(":")[2], pattern)


def _nearest(pattern: str, entries: list[dict[str, Any]]) -> str:
    plain = {entry["name"].rpartition(":")[2]: entry["name"] for entry in reversed(entries)}
    wanted = re.sub(r"[*?]", "", pattern).rpartition(":")[2]
    return listed(plain[name] for name in nearest(wanted, plain))


def _entries(what: str) -> list[dict[str, Any]]:
    if what == "data":
        told = {"sample": "bundled", "folder": "folder:PATH", "npz": "npz:PATH"}
        return [{"name": name, "what": told.get(name, f"{name}[:ROOT]")} for name in names.DATA]
    if what == "adapters":
        return [{"name": name, "what": "adapter"} for name in names.ADAPTERS]
    if what == "fusions":
        return [{"name": name, "what": FUSIONS[name]} for name in names.FUSIONS]
    if what == "recipes":
        return [{"name": name, "what": described(name)} for name in SHIPPED]
    if what == "runs":
        paths = sorted(Path("runs").glob("*/recipe.yaml"))
        state = {True: "finished", False: "not finished; the same command goes on"}
        return [{"name": p.parent.name, "what": state[(p.parent / "result.json").exists()]} for p in paths]
    if what == "blocks":
        return [_block(name) for name in names.BLOCKS]
    from suture.sources.catalog import catalog

    return [asdict(entry) for entry in catalog()]


def _block(name: str) -> dict[str, Any]:
    from suture.blocks import described, parameters_of

    parameters, what = parameters_of(name), described(name)
    what = what[0].lower() + what[1:]
    told = ", ".join(f"{own}={'as fits' if value is None else value}" for own, value in parameters.items())
    return {"name": name, "what": f"{what}; {told}" if told else what, "parameters": parameters}


def _table(result: dict[str, Any]) -> Table:
    ((what, entries),) = result.items()
    table = Table(title=f"{len(entries)} {what}", title_justify="left")
    table.add_column("name", overflow="fold")
    table.add_column("")
    for entry in entries:
        table.add_row(entry["name"], entry["what"])
    return table


def _models(result: dict[str, Any]) -> Table:
    entries = result["models"]
    table = Table(title=f"{len(entries)} models", title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("weights")
    for entry in entries:
        told = {
            "bundled": "bundled",
            "published": f"fetched: {listed(entry['tags'], 99 if len(entries) <= FEW else 2)}",
            "none": "none: add @none or @PATH",
        }
        table.add_row(Text(entry["name"]), entry["kind"], Text(told[entry["weights"]]))
    return table


def _overview(result: dict[str, Any]) -> RenderableType:
    """All networks on one screen: names where they are few, else the largest families."""
    entries = result["models"]
    parts: list[RenderableType] = []
    told = {"bundled": "with bundled weights", "published": "with weights fetched on first use", "none": "without"}
    for kind in dict.fromkeys(entry["kind"] for entry in entries):
        own = [entry for entry in entries if entry["kind"] == kind]
        counts = Counter(entry["weights"] for entry in own)
        weights = ", ".join(f"{count} {told[key]}" for key, count in counts.items())
        parts.append(Text(f"{kind}: {len(own)} networks, {weights}", style="bold"))
        parts.append(Padding(Text(_names(own)), (0, 0, 1, 2)))
    parts.append(Text("suture ls models --filter TEXT   names that contain TEXT, and their weights"))
    parts.append(Text("suture ls models --filter 'vit*' names that fit a pattern; --json for all at once"))
    return Group(*parts)


def _names(entries: list[dict[str, Any]]) -> str:
    if len(entries) <= FEW:
        return ", ".join(entry["name"] for entry in entries)
    short = [entry["name"].partition(":")[2] for entry in entries]
    if len(short) <= MANY:
        return ", ".join(short)
    families = Counter(re.split("[^a-z]", name)[0] for name in short)
    shown = ", ".join(f"{name}* ({count})" for name, count in families.most_common(FAMILIES))
    return f"{shown} and {len(families) - FAMILIES} more families"
