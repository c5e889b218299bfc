"""The options that describe a stage of training."""

from typing import Annotated, Any, get_args

import typer

from suture.spec.names import OPTIMIZERS, SCHEDULES
from suture.spec.stage import Part

PARTS = ", ".join(get_args(Part))


def stage(
    train: Annotated[str, typer.Option(help=f"What may learn, with commas: {PARTS}")] = "adapter",
    epochs: Annotated[int, typer.Option(min=0, help="Passes over the training images")] = 30,
    optimizer: Annotated[str, typer.Option(help=", ".join(OPTIMIZERS))] = "adam",
    lr: Annotated[float, typer.Option(help="Learning rate (its peak, where a schedule moves it)")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(min=0, help="Weight decay")] = 0.0,
    momentum: Annotated[float, typer.Option(min=0, help="Momentum of sgd (Nesterov)")] = 0.9,
    schedule: Annotated[str, typer.Option(help=", ".join(SCHEDULES))] = "constant",
    batch_size: Annotated[int, typer.Option(min=1, help="Images a step")] = 128,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.999, help="Label smoothing")] = 0.0,
    augment: Annotated[str, typer.Option(help="With commas: flip, crop")] = "",
    views: Annotated[int, typer.Option(min=1, help="Augmented versions to keep for a frozen encoder")] = 1,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 (autocast)")] = "fp32",
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a better one")] = None,
) -> dict[str, Any]:
    """Fields of a Stage; its own check sees whether they fit."""
    fields = dict(locals())
    return fields | {"moves": words(fields.pop("train")), "augment": words(augment)}


def words(text: str) -> tuple[str, ...]:
    """Lists on the command line take commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
