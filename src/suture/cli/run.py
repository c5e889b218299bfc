"""``suture run``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from suture.cli import options, tables
from suture.cli.app import app
from suture.cli.groups import adding, take

TABLES: dict[str, options.Table] = {
    "train": tables.train_table,
    "stitch": tables.stitch_table,
    "fuse": tables.fuse_table,
    "tune": tables.tune_table,
    "search": tables.search_table,
    "eval": tables.eval_table,
    "compare": tables.compare_table,
    "sweep": tables.sweep_table,
}


@app.command(rich_help_panel="Build")
@adding(options.outputs)
def run(
    file: Annotated[Path, typer.Argument(help="A recipe: a YAML file, or a name of suture ls recipes.")],
    data: Annotated[str | None, typer.Option(help="Instead of the recipe's data")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's seed")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of the recipe's device")] = None,
    **given: Any,
) -> None:
    """Carry out a recipe. Run again in the same folder, it goes on where it stopped, or shows its result.

    The folder is --out, else runs/NAME by --name, the recipe's own name, or that of its file.

    Examples:

      suture run my-hybrid.yaml

      suture run runs/demo/recipe.yaml --name again --seed 1

      suture run hybrid-cnn --data folder:scans
    """
    from suture.recipes.read import find_recipe, read_recipe

    flags = {"data": data, "seed": seed, "device": device}
    recipe = read_recipe(find_recipe(file), {key: value for key, value in flags.items() if value is not None})
    told = take(options.outputs, given)
    told["name"] = told["name"] or recipe.name or file.stem
    options.carry_out(recipe, "run", TABLES[recipe.steps[-1].verb], told)
