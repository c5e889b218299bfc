"""``suture run``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from suture.cli import options, tables
from suture.cli.app import app, build
from suture.cli.explain import explain_table
from suture.cli.groups import adding, take
from suture.cli.validate import Settings
from suture.spec.recipe import Splits

TABLES: dict[str, options.Table] = {
    "train": tables.train_table,
    "stitch": tables.stitch_table,
    "fuse": tables.fuse_table,
    "patch": tables.patch_table,
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
    settings: Settings = None,
    **given: Any,
) -> None:
    """Carry out a recipe. Run again in the same folder, it goes on where it stopped, or shows its result.

    The folder is --out, else runs/NAME by --name, the recipe's own name, or that of its file. --set changes any value;
    --print-config shows what comes out, and suture validate whether it would run.

    Examples:

      suture run my-hybrid.yaml

      suture run runs/demo/recipe.yaml --name again --seed 1

      suture run hybrid-cnn --data folder:scans --test-share 0.2

      suture run my-hybrid.yaml --set steps.0.stitch.stage.lr=1e-4 --name slower
    """
    from suture.recipes.read import find_recipe, read

    flags = {"data": data, "seed": seed, "device": device, "skip_bad": skip_bad or None}
    own = {key: value for key, value in flags.items() if value is not None}
    reading = read(find_recipe(file), own, settings or (), trust_code=given["trust_code"])
    recipe = reading.recipe
    for note in reading.notes:
        options.watch(quiet=False).say(f"{file.name}, {note}")
    if changes := take(divided, given):
        splits = build(Splits, **recipe.splits.model_dump() | changes)
        recipe = recipe.model_copy(update={"splits": splits})
    told = take(options.outputs, given)
    told["name"] = told["name"] or recipe.name or file.stem
    options.carry_out(recipe, "run", TABLES[recipe.steps[-1].verb], told)
