"""Options that several commands share, and what they do with them."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from suture.cli.app import build
from suture.cli.watch import ConsoleWatch
from suture.spec.recipe import Recipe, Step

Data = Annotated[str, typer.Option(help="sample, cifar10[:ROOT], folder:PATH or npz:PATH.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda:0 or mps.")]
Name = Annotated[str | None, typer.Option(help="Name of the run folder, runs/NAME. [default: verb and time]")]
Out = Annotated[Path | None, typer.Option(help="The run folder itself, instead of runs/NAME.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Empty the run folder if it holds another recipe.")]
Trust = Annotated[bool, typer.Option("--trust-code", help="Allow python: sources, which run code.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out image files that cannot be read.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]
PrintConfig = Annotated[bool, typer.Option("--print-config", help="Print the resolved recipe and stop.")]

Table = Callable[[dict[str, Any]], RenderableType]


def watch(quiet: bool) -> ConsoleWatch:
    return ConsoleWatch(Console(stderr=True), quiet)


def run_folder(verb: str, name: str | None, path: Path | None) -> Path:
    return path or Path("runs") / (name or f"{verb}-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}")


def finish(
    recipe: Recipe,
    path: Path,
    table: Table,
    *,
    json: bool,
    trust: bool,
    overwrite: bool,
    quiet: bool,
    config: bool = False,
) -> None:
    """Execute a recipe for a command and show its result; with ``config`` only show what would be done."""
    from suture.recipes.context import Context
    from suture.recipes.execute import execute
    from suture.recipes.text import resolved

    if config:
        sys.stdout.write(resolved(recipe.as_data()))
        return
    result = execute(Context(recipe, watch(quiet or json), trust), path, overwrite=overwrite)
    show(result, table, json)
    if not json:
        watch(quiet).say(f"Everything is in {path}")


def show(result: dict[str, Any], table: Table, json: bool) -> None:
    """Results on stdout: one JSON object, or something to read."""
    if json:
        sys.stdout.write(dumps(result, indent=2, allow_nan=False) + "\n")
    else:
        Console().print(table(result))


def one_step(step: Step, data: str, seed: int, device: str, skip_bad: bool) -> Recipe:
    return build(Recipe, data=data, seed=seed, device=device, skip_bad=skip_bad, steps=(step,))
