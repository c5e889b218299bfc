"""``suture eval``."""

from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import eval_table
from suture.spec.recipe import EvalStep


@app.command("eval", rich_help_panel="Look")
@adding(options.inputs, options.outputs)
def evaluate(
    model: Annotated[str, typer.Argument(help="The network, or the folder of a run.")],
    split: Annotated[str, typer.Option(help="train, val or test")] = "test",
    map: Annotated[
        str | None, typer.Option(help="Of a stitch: its map before or after training, or the direct fit")
    ] = None,
    **given: Any,
) -> None:
    """Accuracy and cross-entropy of one network. Writes a run folder only with --name or --out.

    A run folder brings its own data, unless --data says otherwise.

    Examples:

      suture eval zoo:resnet20-a

      suture eval runs/demo --json

      suture eval runs/my-stitch --map direct

      suture eval "python:nets.py:resnet20@weights.pth?norm=imagenet&size=32" --data cifar10 --trust-code
    """
    model = options.network_source(model)
    step = build(EvalStep, model=model, map=map, split=split)
    recipe = options.recipe(step, take(options.inputs, given | {"data": given["data"] or options.data_of(model)}))
    told = take(options.outputs, given)
    if told["name"] or told["out"] or told["print_config"]:
        options.carry_out(recipe, "eval", eval_table, told)
        return
    from suture.recipes.context import Context
    from suture.recipes.evaluate import Evaluate

    context = Context(recipe, options.watch(told["quiet"] or told["json"]), told["trust_code"])
    options.show(Evaluate.prepare(step, context).run().result, eval_table, told["json"])
