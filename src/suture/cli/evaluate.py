"""``suture eval``."""

from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import eval_table
from suture.spec.names import TTA
from suture.spec.recipe import EvalStep


@app.command("eval", rich_help_panel="Look")
@adding(options.inputs, options.outputs)
def evaluate(
    model: Annotated[str, typer.Argument(help="The network, or the folder of a run.")],
    split: Annotated[str, typer.Option(help="train, val or test")] = "test",
    map: Annotated[
        str | None, typer.Option(help="Of a stitch: its map before or after training, or the direct fit")
    ] = None,
    report: Annotated[
        bool, typer.Option("--report", help="Tell all: each class, intervals, calibration, mistakes")
    ] = False,
    tta: Annotated[str, typer.Option(help=f"Average over views of each image: {', '.join(TTA)}")] = "none",
    **given: Any,
) -> None:
    """Accuracy and cross-entropy of one network; with --report all that is known of a classifier.

    Writes a run folder only with --name or --out, with the report as JSON, CSV and figures. A run folder brings its own
    data, unless --data says otherwise.

    Examples:

      suture eval zoo:resnet20-a

      suture eval runs/demo --json

      suture eval runs/my-stitch --map direct

      suture eval runs/my-network --report --tta flip --name report

      suture eval "python:nets.py:resnet20@weights.pth?norm=imagenet&size=32" --data cifar10 --trust-code
    """
    model = options.network_source(model)
    step = build(EvalStep, model=model, map=map, split=split, report=report, tta=tta)
    recipe = options.recipe(step, options.inputs_of(model, given))
    told = take(options.outputs, given)
    if told["name"] or told["out"] or told["print_config"]:
        options.carry_out(recipe, "eval", eval_table, told)
        return
    from suture.recipes.context import Context
    from suture.recipes.evaluate import Evaluate

    context = Context(recipe, options.watch(told["quiet"] or told["json"]), told["trust_code"])
    options.show(Evaluate.prepare(step, context).run().result, eval_table, told["json"])
