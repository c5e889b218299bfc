"""``suture search``."""

from typing import Annotated, Any

import typer

from suture.cli import joins, options, stages
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import search_table
from suture.spec.recipe import SearchStep


@app.command(rich_help_panel="Build")
@adding(joins.join, stages.objective, stages.stage, options.inputs, options.outputs, epochs=5)
def search(
    a: joins.A,
    b: joins.B,
    more: joins.More = None,
    top: Annotated[int, typer.Option(min=1, help="Train so many of the best hybrids")] = 5,
    score_images: Annotated[int, typer.Option(min=1, help="Validation images that score a hybrid, at most")] = 1024,
    **given: Any,
) -> None:
    """Find where to cut: score every pair of cuts of A and B, train the best few, and test the winner.

    Every pair is stitched in closed form on training images and scored on validation images; the winner among the
    trained is scored on the test images, beside both parents and the pair cut in half. Of three networks, every way to
    go on from the best few pairs to C is scored as well, and the best chains are trained.

    Examples:

      suture search zoo:resnet20-a zoo:tiny10-a

      suture search zoo:tiny10-a zoo:tiny10-b --data cifar10 --top 8 --epochs 10 --name twins

      suture search zoo:tiny10-a zoo:resnet20-a zoo:tiny10-b --top 3
    """
    stage = take(stages.stage, given) | take(stages.objective, given)
    fields = take(joins.join, given) | {"stage": stage}
    a, b, *rest = map(options.network_source, (a, b, *(more or ())))
    step = build(SearchStep, a=a, b=b, more=rest, top=top, score_images=score_images, **fields)
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "search", search_table, take(options.outputs, given))
