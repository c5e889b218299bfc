"""``suture fuse``."""

from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.staged import shared, staged
from suture.cli.stages import words
from suture.cli.tables import fuse_table
from suture.spec.names import FUSIONS, TTA
from suture.spec.recipe import FuseStep


def joined(
    method: Annotated[str, typer.Option(help=", ".join(FUSIONS))] = "concat",
    at: Annotated[
        str, typer.Option(help="Where features are taken, one layer each with commas; else before the last layer")
    ] = "",
    hidden: Annotated[int, typer.Option(min=1, help="Width of the layer before the classes")] = 1024,
    width: Annotated[
        int, typer.Option(min=1, help="What bottleneck, add, gated, cross-attention and maps project each backbone to")
    ] = 512,
    dropout: Annotated[float, typer.Option(min=0, max=0.999, help="Before the last layer")] = 0.5,
    controls: Annotated[
        bool, typer.Option("--controls", help="Train every backbone alone as well, and say whether the fusion won")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Repeat everything with so many seeds, from --seed upwards")] = 1,
    folds: Annotated[int | None, typer.Option(min=2, help="Cross-validation: hold out each of so many folds")] = None,
    tta: Annotated[str, typer.Option(help=f"Test-time augmentation: {', '.join(TTA)}")] = "none",
    eval_batch: Annotated[int, typer.Option(min=1, help="Images a batch when scoring")] = 256,
) -> dict[str, Any]:
    """Fields of a FuseStep."""
    return dict(locals()) | {"at": words(at)}


Backbones = Annotated[list[str], typer.Argument(help="The backbones: torchvision:resnet50, timm:..., a run folder")]


def fields(networks: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """All fields of a FuseStep."""
    sources = [options.network_source(network) for network in networks]
    return {"networks": sources, "stages": staged(given), **take(joined, given)}


@app.command(rich_help_panel="Build")
@adding(joined, shared, options.inputs, options.outputs)
def fuse(networks: Backbones, **given: Any) -> None:
    """Run backbones side by side, join their features under one new head, and train that in stages.

    Without --stage there are two: the head alone, with the backbones frozen (they run once, and the head learns from
    what they gave), then everything. Feature widths, sizes and normalisation are found out. The run keeps what it
    needs to answer: suture predict RUN IMAGE, suture explain RUN, suture eval RUN --report.

    A --stage is what may move (head, backbones, backbone1, all; backbones:2 are the last two stages of each), then
    fields as in a recipe: --stage "head epochs=5 lr=3e-4" --stage "all epochs=20 lr=1e-4 lr_of=backbones=1e-5".

    Examples:

      suture fuse zoo:tiny10-a zoo:resnet20-a --stage "head epochs=5" --name both

      suture fuse torchvision:resnet50 torchvision:densenet121 --data folder:scans --augment flip,rotate --controls

      suture fuse timm:convnext_tiny torchvision:resnet50 --method gated --data folder:scans --folds 5

      suture fuse zoo:tiny10-a zoo:resnet20-a --stage "head epochs=5" --stage "backbones:1,head epochs=5 lr=1e-4"

      suture run hybrid-cnn --data folder:scans
    """
    step = build(FuseStep, **fields(networks, given))
    recipe = options.recipe(step, take(options.inputs, given))
    options.carry_out(recipe, "fuse", fuse_table, take(options.outputs, given))
