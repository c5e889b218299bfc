"""``suture validate``."""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app
from suture.errors import RecipeError

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe: seed=3, head.num_classes=10; again"),
]


@app.command(rich_help_panel="Build")
def validate(
    files: Annotated[list[Path], typer.Argument(help="Recipes: YAML files, or names of suture ls recipes.")],
    settings: Settings = None,
    trust_code: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Look whether recipes would run, and say what they would do. Nothing is fetched, no data are read.

    Every network is built without its published weights, cut, joined, fused or patched as the recipe says. Everything
    that is wrong is told at once, each with its line and the nearest names.

    Examples:

      suture validate my-hybrid.yaml

      suture validate *.yaml --set seed=3 --json
    """
    from suture.recipes.validate import validate as look

    told: list[dict[str, Any]] = []
    wrong: list[RecipeError] = []
    for file in files:
        try:
            found = look(file, settings or (), trust_code=trust_code)
        except RecipeError as error:
            wrong.append(error)
            lines = [line.strip() for line in error.given.splitlines()]
            told.append({"file": str(file), "valid": False, "problems": lines[1:] or lines})
            continue
        told.append({"file": str(file), "valid": True, **found.as_dict()})
        if not json:
            sys.stdout.write(f"{file}: {found}\n")
            for note in found.notes:
                options.watch(quiet=False).say(f"{file}, {note}")
    if json:
        sys.stdout.write(dumps({"files": told}, indent=2) + "\n")
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        raise RecipeError("\n".join(e.given for e in wrong), expected=wrong[0].expected, instead=wrong[0].instead)
