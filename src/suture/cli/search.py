"""``suture search``."""

from typing import Annotated

import typer

from suture.cli import joins, options, stages
from suture.cli.app import app, build
from suture.cli.tables import search_table
from suture.spec.recipe import SearchStep


@app.command(rich_help_panel="Build")
def search(
    a: joins.A,
    b: joins.B,
    data: options.Data = "sample",
    top: Annotated[int, typer.Option(min=1, help="Train so many of the best pairs.")] = 5,
    fit_images: joins.FitImages = 1024,
    score_images: Annotated[int, typer.Option(min=1, help="Validation images that score a pair (at most).")] = 1024,
    init: joins.Init = "least-squares",
    ridge: joins.Ridge = 0.0,
    adapter: joins.Adapter = "linear",
    resample: joins.Resample = "bilinear",
    train: joins.Train = "adapter",
    epochs: stages.Epochs = 5,
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
    """Find where to cut: score every pair of cuts of A and B, train the best few, and test the winner.

    Every pair is stitched in closed form on training images and scored on validation images; the winner among the
    trained is scored on the test images, beside both parents and the pair cut in half.

    Examples:

      suture search zoo:resnet20-a zoo:tiny10-a

      suture search zoo:tiny10-a zoo:tiny10-b --data cifar10 --top 8 --epochs 10 --name twins
    """
    step = build(
        SearchStep,
        a=a,
        b=b,
        adapter=adapter,
        resample=resample,
        init=init,
        ridge=ridge,
        fit_images=fit_images,
        score_images=score_images,
        top=top,
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
    path = options.run_folder("search", name, out)
    recipe = options.one_step(step, data, seed, device, skip_bad)
    options.finish(
        recipe,
        path,
        search_table,
        json=json,
        trust=trust_code,
        overwrite=overwrite,
        quiet=quiet,
        config=print_config,
    )
