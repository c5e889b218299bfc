"""``suture train``."""

from typing import Annotated

import typer

from suture.cli import options, stages
from suture.cli.app import app, build
from suture.cli.tables import train_table
from suture.spec.recipe import TrainStep


@app.command(rich_help_panel="Build")
def train(
    model: Annotated[str, typer.Argument(help="The network: zoo:resnet20, torchvision:resnet18, ...")],
    data: options.Data = "sample",
    epochs: stages.Epochs = 30,
    optimizer: stages.Optimizer = "adam",
    lr: stages.Lr = 1e-3,
    weight_decay: stages.WeightDecay = 0.0,
    momentum: stages.Momentum = 0.9,
    schedule: stages.Schedule = "constant",
    batch_size: stages.BatchSize = 128,
    label_smoothing: stages.Smoothing = 0.0,
    augment: stages.Augment = "",
    precision: stages.Precision = "fp32",
    patience: stages.Patience = None,
    moves: Annotated[str, typer.Option("--train", help="What may change: all or head.")] = "all",
    seed: options.Seed = 0,
    device: options.Device = "auto",
    name: options.Name = None,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    trust_code: options.Trust = False,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    print_config: options.PrintConfig = False,
) -> None:
    """Train one network, from random weights (zoo:tiny10, NAME@none) or from trained ones.

    Validation is the last tenth of the training images; the test images are scored once, at the end.

    Examples:

      suture train zoo:tiny10 --data sample --epochs 10

      suture train zoo:resnet20 --data cifar10 --epochs 40 --optimizer sgd --lr 0.2 --schedule one-cycle
      --weight-decay 5e-4 --augment flip,crop --precision bf16
    """
    plan = stages.stage(
        moves=moves,
        epochs=epochs,
        optimizer=optimizer,
        lr=lr,
        weight_decay=weight_decay,
        momentum=momentum,
        schedule=schedule,
        batch_size=batch_size,
        label_smoothing=label_smoothing,
        augment=augment,
        precision=precision,
        patience=patience,
    )
    step = build(TrainStep, model=model, stage=plan)
    recipe = options.one_step(step, data, seed, device, skip_bad)
    path = options.run_folder("train", name, out)
    options.finish(
        recipe,
        path,
        train_table,
        json=json,
        trust=trust_code,
        overwrite=overwrite,
        quiet=quiet,
        config=print_config,
    )
