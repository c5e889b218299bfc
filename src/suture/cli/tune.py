"""``suture tune``."""

from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.fuse import Backbones, fields, joined
from suture.cli.groups import adding, take
from suture.cli.staged import shared
from suture.cli.stages import words
from suture.cli.tables import tune_table
from suture.spec.names import TUNED
from suture.spec.recipe import TuneStep


@app.command(rich_help_panel="Build")
@adding(joined, shared, options.inputs, options.outputs)
def tune(
    networks: Backbones,
    trials: Annotated[int, typer.Option(min=1, help="Trainings to try")] = 20,
    over: Annotated[str, typer.Option(help=f"What to try, with commas: {', '.join(TUNED)}")] = ",".join(TUNED),
    **given: Any,
) -> None:
    """Find the learning rate, weight decay, dropout and schedule that train a fusion best, then train with them.

    Takes what suture fuse takes. The rates of all stages are multiplied by one factor, from a tenth to ten. Trials are
    judged on validation images; test images are scored for the last training only. Needs the extra optuna. Other ranges
    are for a recipe: suture tune ... --print-config shows one. Broken off, it goes on where it stopped.

    Examples:

      suture tune zoo:tiny10-a zoo:resnet20-a --trials 5 --over lr,dropout --name tuned

      suture tune torchvision:resnet50 torchvision:densenet121 --data folder:scans --trials 30
    """
    step = build(TuneStep, fuse=fields(networks, given), trials=trials, over=words(over))
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "tune", tune_table, take(options.outputs, given))
