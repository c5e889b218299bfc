"""``suture sweep``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app
from suture.cli.groups import adding, take
from suture.cli.run import TABLES
from suture.errors import RecipeError
from suture.spec.recipe import SweepStep


@app.command(rich_help_panel="Build")
@adding(options.outputs)
def sweep(
    file: Annotated[Path, typer.Argument(help="A recipe with a sweep in it: a YAML file.")],
    data: Annotated[str | None, typer.Option(help="Instead of the recipe's data")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's seed")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of the recipe's device")] = None,
    **given: Any,
) -> None:
    """Run many stitches of the same networks: every combination of the layers, starts, ranks, seeds ... given.

    In the recipe, sweep has two fields: stitch is what a stitch step takes, and over has lists by the names of its
    fields, its stage's and its objective's, or seed. Each trial is a run of its own, FOLDER/trials/KEY; means over
    seeds are drawn over depth and over rank in FOLDER/plots. Run again in the same folder, it goes on where it stopped.

    Examples:

      suture sweep depth.yaml

      suture sweep depth.yaml --data cifar10 --name depth-cifar10 --json
    """
    from suture.recipes.read import read_recipe

    flags = {"data": data, "seed": seed, "device": device}
    recipe = read_recipe(file, {key: value for key, value in flags.items() if value is not None})
    if not any(isinstance(step, SweepStep) for step in recipe.steps):
        raise RecipeError(
            f"{file} has no sweep among its steps",
            expected="- sweep: {stitch: {a: ..., b: ...}, over: {at: [...], seed: [...]}}",
            instead=f"suture run {file}",
        )
    told = take(options.outputs, given)
    told["name"] = told["name"] or recipe.name or file.stem
    options.carry_out(recipe, "sweep", TABLES[recipe.steps[-1].verb], told)
