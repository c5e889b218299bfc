"""``suture run``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from suture.cli import options, tables
from suture.cli.app import app, build
from suture.cli.explain import explain_table
from suture.cli.groups import adding, take
from suture.spec.recipe import Splits

TABLES: dict[str, options.Table] = {
    "train": tables.train_table,
    "stitch": tables.stitch_table,
    "fuse": tables.fuse_table,
    "tune": tables.tune_table,
    "search": tables.search_table,
    "eval": tables.eval_table,
    "compare": tables.compare_table,
    "sweep": tables.sweep_table,
    "explain": explain_table,
}


def divided(
    test_share: options.TestShare = 0.0,
    val_share: options.ValShare = None,
    group: options.Group = None,
    split_seed: options.SplitSeed = None,
    check_duplicates: options.Duplicates = False,
) -> dict[str, Any]:
    """Those fields of Splits that were given."""
    told = {"test": test_share, "val": val_share, "group": group, "duplicates": check_duplicates}
    return {name: value for name, value in told.items() if value} | ({} if split_seed is None else {"seed": split_seed})


@app.command(rich_help_panel="Build")
@adding(divided, options.outputs)
def run(
    file: Annotated[Path, typer.Argument(help="A recipe: a YAML file, or a name of suture ls recipes.")],
    data: Annotated[str | None, typer.Option(help="Instead of the recipe's data")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's seed")] = None,
    device: Annotated[str | None, typer.Option(help="Instead of the recipe's device")] = None,
    skip_bad: options.SkipBad = False,
    **given: Any,
) -> None:
    """Carry out a recipe. Run again in the same folder, it goes on where it stopped, or shows its result.

    The folder is --out, else runs/NAME by --name, the recipe's own name, or that of its file. To change more than data
    and seed, take --print-config > mine.yaml and edit that.

    Examples:

      suture run my-hybrid.yaml

      suture run runs/demo/recipe.yaml --name again --seed 1

      suture run hybrid-cnn --data folder:scans --test-share 0.2
    """
    from suture.recipes.read import find_recipe, read_recipe

    flags = {"data": data, "seed": seed, "device": device, "skip_bad": skip_bad or None}
    recipe = read_recipe(find_recipe(file), {key: value for key, value in flags.items() if value is not None})
    if changes := take(divided, given):
        splits = build(Splits, **recipe.splits.model_dump() | changes)
        recipe = recipe.model_copy(update={"splits": splits})
    told = take(options.outputs, given)
    told["name"] = told["name"] or recipe.name or file.stem
    options.carry_out(recipe, "run", TABLES[recipe.steps[-1].verb], told)
