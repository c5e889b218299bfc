"""``suture run``."""

from pathlib import Path
from typing import Annotated

import typer

from suture.cli import options, tables
from suture.cli.app import app

TABLES: dict[str, options.Table] = {
    "train": tables.train_table,
    "stitch": tables.stitch_table,
    "search": tables.search_table,
    "eval": tables.eval_table,
}


@app.command(rich_help_panel="Build")
def run(
    file: Annotated[Path, typer.Argument(help="A recipe: a YAML file.")],
    data: Annotated[str | None, typer.Option(help="Instead of the recipe's data.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's seed.")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of the recipe's device.")] = None,
    name: options.Name = None,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    trust_code: options.Trust = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    print_config: options.PrintConfig = False,
) -> None:
    """Carry out a recipe. Run again in the same folder, it goes on where it stopped, or shows its result.

    Examples:

      suture run my-hybrid.yaml

      suture run runs/demo/recipe.yaml --name again --seed 1
    """
    from suture.recipes.read import read_recipe

    given = {"data": data, "seed": seed, "device": device}
    recipe = read_recipe(file, {key: value for key, value in given.items() if value is not None})
    path = options.run_folder(recipe.name or file.stem, name or recipe.name, out)
    table = TABLES[recipe.steps[-1].verb]
    options.finish(
        recipe,
        path,
        table,
        json=json,
        trust=trust_code,
        overwrite=overwrite,
        quiet=quiet,
        config=print_config,
    )
