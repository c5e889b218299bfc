"""``suture stitch``."""

from typing import Annotated

import typer

from suture.cli import joins, options, stages
from suture.cli.app import app, build
from suture.cli.tables import stitch_table
from suture.spec.recipe import StitchStep


@app.command(rich_help_panel="Build")
def stitch(
    a: joins.A,
    b: joins.B,
    at: Annotated[
        str | None,
        typer.Option(help="X:Y, the last layer of A and the layer of B it replaces. [default: half of each]"),
    ] = None,
    data: options.Data = "sample",
    init: joins.Init = "least-squares",
    fit_images: joins.FitImages = 1024,
    ridge: joins.Ridge = 0.0,
    adapter: joins.Adapter = "linear",
    resample: joins.Resample = "bilinear",
    train: joins.Train = "adapter",
    new_head: Annotated[bool, typer.Option("--new-head", help="Make a new head for the classes of the data.")] = False,
    epochs: stages.Epochs = 30,
    optimizer: stages.Optimizer = "adam",
    lr: stages.Lr = 1e-3,
    weight_decay: stages.WeightDecay = 0.0,
    momentum: stages.Momentum = 0.9,
    schedule: stages.Schedule = "constant",
    batch_size: stages.BatchSize = 128,
    label_smoothing: stages.Smoothing = 0.0,
    augment: stages.Augment = "",
    views: stages.Views = 1,
    precision: stages.Precision = "fp32",
    patience: stages.Patience = None,
    split: Annotated[str, typer.Option(help="Score on val or test.")] = "test",
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
    """Join the first part of A to the last part of B through a small adapter, and train it.

    Layers are named as suture layers prints them. The adapter starts from the closed-form least-squares map.

    Examples:

      suture stitch zoo:tiny10-a zoo:tiny10-b --at relu5:relu5 --epochs 5

      suture stitch zoo:resnet20-a zoo:tiny10-a --at layer2.2:relu5 --train adapter,decoder --lr 3e-4
    """
    step = build(
        StitchStep,
        a=a,
        b=b,
        at=at,
        adapter=adapter,
        resample=resample,
        init=init,
        ridge=ridge,
        fit_images=fit_images,
        new_head=new_head,
        split=split,
        stage=stages.stage(
            moves=train,
            epochs=epochs,
            optimizer=optimizer,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            schedule=schedule,
            batch_size=batch_size,
            label_smoothing=label_smoothing,
            augment=augment,
            views=views,
            precision=precision,
            patience=patience,
        ),
    )
    path = options.run_folder("stitch", name, out)
    recipe = options.one_step(step, data, seed, device, skip_bad)
    options.finish(
        recipe,
        path,
        stitch_table,
        json=json,
        trust=trust_code,
        overwrite=overwrite,
        quiet=quiet,
        config=print_config,
    )
