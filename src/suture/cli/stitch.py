"""``suture stitch``."""

from typing import Annotated, Any

import typer

from suture.cli import joins, options, stages
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import stitch_table
from suture.spec.recipe import StitchStep


@app.command(rich_help_panel="Build")
@adding(joins.join, stages.objective, stages.stage, options.inputs, options.outputs)
def stitch(
    a: joins.A,
    b: joins.B,
    more: joins.More = None,
    at: Annotated[
        str | None, typer.Option(help="X:Y, A's last layer and B's replaced one (,X:Y from B to C); else equal shares")
    ] = None,
    new_head: Annotated[bool, typer.Option("--new-head", help="Make a new head for the classes of the data")] = False,
    split: Annotated[str, typer.Option(help="Score on val or test")] = "test",
    **given: Any,
) -> None:
    """Join the first part of A to the last part of B through a small adapter, and train it.

    Of three networks or more, those in the middle run from where one adapter ends to where the next begins. Layers are
    named as suture layers prints them. Adapters start from the closed-form least-squares map. The run keeps the maps
    before and after training and the direct fit: suture eval RUN --map direct, suture compare RUN B.

    Examples:

      suture stitch zoo:tiny10-a zoo:tiny10-b --at relu5:relu5 --epochs 5

      suture stitch zoo:resnet20-a zoo:tiny10-a --at layer2.2:relu5 --train adapter,decoder --lr 3e-4

      suture stitch zoo:tiny10-a zoo:tiny10-b --at bn5:bn5 --rank 4 --target match --match-at penultimate --epochs 5

      suture stitch zoo:tiny10-a zoo:resnet20-a zoo:tiny10-b --at relu3:layer1.0,layer2.2:relu6 --epochs 5
    """
    stage = take(stages.stage, given) | take(stages.objective, given)
    fields = take(joins.join, given) | {"stage": stage}
    a, b, *rest = map(options.network_source, (a, b, *(more or ())))
    step = build(StitchStep, a=a, b=b, more=rest, at=at, new_head=new_head, split=split, **fields)
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "stitch", stitch_table, take(options.outputs, given))
