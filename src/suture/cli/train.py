"""``suture train``."""

from typing import Annotated, Any

import typer

from suture.cli import options, stages
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.tables import train_table
from suture.spec.recipe import TrainStep


@app.command(rich_help_panel="Build")
@adding(stages.stage, options.inputs, options.outputs, train="all")
def train(
    model: Annotated[str, typer.Argument(help="The network: zoo:resnet20, torchvision:resnet18, ...")],
    **given: Any,
) -> None:
    """Train one network, from random weights (zoo:tiny10, NAME@none) or from trained ones.

    Validation is a tenth of the training images; the test images are scored once, at the end. A single network has two
    parts to --train: all of it, or its head. Of data with several labels an image every label gets an output of its
    own. With --name, a training that was broken off goes on after its last whole epoch.

    Examples:

      suture train zoo:tiny10 --data sample --epochs 10

      suture train torchvision:resnet18 --data folder:photos --train head

      suture train zoo:resnet20 --data cifar10 --optimizer sgd --lr 0.1 --schedule one-cycle --augment flip,crop

      suture train zoo:tiny10 --seed 0 --order-seed 1 --save-every 100 --name twin

      suture eval zoo:tiny10@runs/twin/checkpoints/step-000100.safetensors
    """
    step = build(TrainStep, model=options.network_source(model), stage=take(stages.stage, given))
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "train", train_table, take(options.outputs, given))
