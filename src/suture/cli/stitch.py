"""``suture stitch``."""

from typing import Annotated, Any

import typer

from suture.cli import joins, options, stages
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import stitch_table
from suture.spec.recipe import StitchStep


@app.command(rich_help_panel="Build")
@adding(joins.join, stages.stage, options.inputs, options.outputs)
def stitch(
    a: joins.A,
    b: joins.B,
    at: Annotated[str | None, typer.Option(help="X:Y, A's last layer and B's replaced one; else half of each")] = None,
    new_head: Annotated[bool, typer.Option("--new-head", help="Make a new head for the classes of the data")] = False,
    split: Annotated[str, typer.Option(help="Score on val or test")] = "test",
    **given: Any,
) -> None:
    """Join the first part of A to the last part of B through a small adapter, and train it.

    Layers are named as suture layers prints them. The adapter starts from the closed-form least-squares map.

    Examples:

      suture stitch zoo:tiny10-a zoo:tiny10-b --at relu5:relu5 --epochs 5

      suture stitch zoo:resnet20-a zoo:tiny10-a --at layer2.2:relu5 --train adapter,decoder --lr 3e-4
    """
    fields = take(joins.join, given) | {"stage": take(stages.stage, given)}
    step = build(StitchStep, a=a, b=b, at=at, new_head=new_head, split=split, **fields)
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "stitch", stitch_table, take(options.outputs, given))
