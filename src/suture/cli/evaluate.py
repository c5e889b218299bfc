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
    model: Annotated[str, typer.Argument(help="The network, or run:FOLDER.")],
    split: Annotated[str, typer.Option(help="train, val or test")] = "test",
    **given: Any,
) -> None:
    """Accuracy and cross-entropy of one network. Writes a run folder only with --name or --out.

    Examples:

      suture eval zoo:resnet20-a

      suture eval run:runs/demo --json

      suture eval "python:nets.py:resnet20@weights.pth?norm=imagenet&size=32" --data cifar10 --trust-code
    """
    step = build(EvalStep, model=model, split=split)
    recipe = options.recipe(step, take(options.inputs, given))
    told = take(options.outputs, given)
    if told["name"] or told["out"] or told["print_config"]:
        options.carry_out(recipe, "eval", eval_table, told)
        return
    from suture.recipes.context import Context
    from suture.recipes.evaluate import Evaluate

    context = Context(recipe, options.watch(told["quiet"] or told["json"]), told["trust_code"])
    options.show(Evaluate.prepare(step, context).run().result, eval_table, told["json"])
