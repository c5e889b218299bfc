"""Options of every command that writes a run folder, and how its result is shown."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from suture.cli.app import build
from suture.cli.groups import take
from suture.cli.watch import ConsoleWatch
from suture.recipes.read import read_recipe
from suture.recipes.text import resolved
from suture.runs import check_run
from suture.runs.folder import RECIPE
from suture.runs.processes import rank
from suture.spec.recipe import Recipe, Step

DATA_HELP = (
    "sample, cifar10, cifar100, mnist, fashion-mnist, celeba (:ROOT behind names a folder), folder:PATH or npz:PATH"
)
_data = partial(typer.Option, rich_help_panel="Data")
Table = Callable[[dict[str, Any]], RenderableType]
Trust = Annotated[bool, typer.Option("--trust-code", help="Allow python: sources, which run code")]
SkipBad = Annotated[bool, _data("--skip-bad", help="Leave out image files that cannot be read")]
TestShare = Annotated[float, _data(min=0, max=0.999, help="Share to hold out as test, where the data have none")]
ValShare = Annotated[
    float | None, _data(max=0.999, help="Share of training to hold out for validation", show_default="a tenth")
]
Group = Annotated[
    str | None, _data(metavar="FILE.csv:COLUMN", help="Images alike in a column never stand on two sides")
]
SplitSeed = Annotated[int | None, _data(min=0, help="Seed of the test share; else --seed")]
Duplicates = Annotated[bool, _data("--check-duplicates", help="Look for nearly equal images on two sides")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else")]


def inputs(
    data: Annotated[str | None, _data(help=DATA_HELP, show_default="sample")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random", show_default="0")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0 or mps")] = "auto",
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only operations that give the same bits every time")
    ] = False,
    skip_bad: SkipBad = False,
    test_share: TestShare = 0.0,
    val_share: ValShare = None,
    group: Group = None,
    split_seed: SplitSeed = None,
    check_duplicates: Duplicates = False,
) -> dict[str, Any]:
    """Fields of a Recipe. No data are ``sample``: a command that knows better data says so before."""
    splits = {
        "test": test_share,
        "val": val_share,
        "group": group,
        "duplicates": check_duplicates,
        "seed": split_seed,
    }
    fields = {"seed": seed or 0, "device": device, "deterministic": deterministic, "skip_bad": skip_bad}
    return fields | {"data": data or "sample", "splits": splits}


def outputs(
    name: Annotated[str | None, typer.Option(help="The run folder, runs/NAME; else verb and time")] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder itself, instead of runs/NAME")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Empty the run folder first")] = False,
    trust_code: Trust = False,
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only")] = False,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print the resolved recipe and stop")] = False,
) -> dict[str, Any]:
    """Where a result goes, and how it is told."""
    return dict(locals())


def recipe(step: Step, fields: dict[str, Any]) -> Recipe:
    """A recipe of one step."""
    return build(Recipe, **fields, steps=(step,))


def network_source(text: str) -> str:
    """A source as it is; the path of a run's folder, with or without a query, as its ``run:`` source."""
    return f"run:{text}" if (Path(text.partition("?")[0]) / RECIPE).is_file() else text


def inputs_of(source: str, given: dict[str, Any]) -> dict[str, Any]:
    """``inputs`` for a network that is looked at: a run brings its own data, divided as they were for it.

    Where data are given, or where the source is no ``run:``, they are as given. Raises RecipeError.
    """
    fields, told = take(inputs, given), _recipe_of(source)
    if given["data"] or told is None:
        return fields
    if fields["splits"] == inputs()["splits"]:
        drawn = told.seed if told.splits.seed is None else told.splits.seed
        fields["splits"] = told.splits.model_copy(update={"seed": drawn, "duplicates": False})
    seed = told.seed if given["seed"] is None else given["seed"]
    return fields | {"data": told.data, "seed": seed, "skip_bad": given["skip_bad"] or told.skip_bad}


def _recipe_of(source: str) -> Recipe | None:
    """The recipe that a ``run:`` source comes from."""
    if not source.startswith("run:"):
        return None
    folder = Path(source.removeprefix("run:").partition("?")[0])
    recipes = [place / RECIPE for place in (folder, Path("runs") / folder) if (place / RECIPE).is_file()]
    return read_recipe(recipes[0]) if recipes else None


def watch(quiet: bool) -> ConsoleWatch:
    """Of several processes the first one alone speaks."""
    return ConsoleWatch(Console(stderr=True), quiet or rank() > 0)


def run_folder(verb: str, name: str | None, path: Path | None) -> Path:
    return path or Path("runs") / (name or f"{verb}-{datetime.now(UTC).astimezone():%Y%m%d-%H%M%S}")


def carry_out(recipe: Recipe, default: str, table: Table, given: dict[str, Any]) -> Path:
    """Execute a recipe into the folder that ``given`` names, show the result, and say where it is.

    ``given`` is what ``outputs`` makes; ``default`` names a folder that nobody named.
    """
    name = build(Recipe, name=given["name"], steps=recipe.steps).name
    path = run_folder(default, name, given["out"])
    if given["print_config"]:
        sys.stdout.write(resolved(recipe.as_data()))
        return path
    told = watch(given["quiet"] or given["json"])
    finished = check_run(path, resolved(recipe.as_data()), overwrite=given["overwrite"])
    if finished is not None:
        told.say("finished before; this is its result")
    else:
        finished = _executed(recipe, path, told, given)
    show(finished, table, given["json"])
    told.say(f"Everything is in {path}")
    return path


def _executed(recipe: Recipe, path: Path, told: ConsoleWatch, given: dict[str, Any]) -> dict[str, Any]:
    from suture.recipes.context import Context
    from suture.recipes.execute import execute

    try:
        return execute(Context(recipe, told, given["trust_code"]), path, overwrite=given["overwrite"])
    except KeyboardInterrupt:
        if (path / "recipe.yaml").exists():
            told.say(f"suture run {path / 'recipe.yaml'} --out {path} goes on where this stopped")
        raise


def show(result: dict[str, Any], table: Table, json: bool) -> None:
    """Results on stdout: one JSON object, or something to read."""
    if json:
        sys.stdout.write(dumps(result, indent=2, allow_nan=False) + "\n")
    else:
        Console().print(table(result))
