"""``suture eval``."""

from typing import Annotated

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.tables import eval_table
from suture.spec.recipe import EvalStep


@app.command("eval", rich_help_panel="Look")
def evaluate(
    model: Annotated[str, typer.Argument(help="The network, or run:FOLDER.")],
    data: options.Data = "sample",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    name: options.Name = None,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    trust_code: options.Trust = False,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Accuracy and cross-entropy of one network. Writes a run folder only with --name or --out.

    Examples:

      suture eval zoo:resnet20-a

      suture eval run:runs/demo --json

      suture eval "python:my_nets.py:resnet20@weights.safetensors?norm=imagenet&size=32" --data cifar10 --trust-code
    """
    step = build(EvalStep, model=model, split=split)
    recipe = options.one_step(step, data, seed, device, skip_bad)
    if name or out:
        path = options.run_folder("eval", name, out)
        options.finish(recipe, path, eval_table, json=json, trust=trust_code, overwrite=overwrite, quiet=quiet)
        return
    from suture.recipes.context import Context
    from suture.recipes.evaluate import Evaluate

    context = Context(recipe, options.watch(quiet or json), trust_code)
    options.show(Evaluate.prepare(step, context).run().result, eval_table, json)
