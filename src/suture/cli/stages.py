"""The options that describe a stage of training."""

from typing import Annotated, Any

import typer

from suture.spec.names import OPTIMIZERS, SCHEDULES

Epochs = Annotated[int, typer.Option(min=0, help="Passes over the training images.")]
Optimizer = Annotated[str, typer.Option(help=", ".join(OPTIMIZERS) + ".")]
Lr = Annotated[float, typer.Option(help="Learning rate (its peak, where a schedule moves it).")]
WeightDecay = Annotated[float, typer.Option(min=0, help="Weight decay.")]
Momentum = Annotated[float, typer.Option(min=0, help="Momentum of sgd (Nesterov).")]
Schedule = Annotated[str, typer.Option(help=", ".join(SCHEDULES) + ".")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images a step.")]
Smoothing = Annotated[float, typer.Option("--label-smoothing", min=0, max=0.999, help="Label smoothing.")]
Augment = Annotated[str, typer.Option(help="Comma-separated: flip, crop. [default: none]")]
Views = Annotated[int, typer.Option(min=1, help="Augmented versions of the images kept for a frozen encoder.")]
Precision = Annotated[str, typer.Option(help="fp32, or bf16 (autocast).")]
Patience = Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a better validation.")]


def words(text: str) -> tuple[str, ...]:
    """Lists on the command line take commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def stage(**fields: Any) -> dict[str, Any]:
    """Fields of a Stage from options, lists split; the recipe's own check sees the rest."""
    return {name: words(value) if name in ("moves", "augment") else value for name, value in fields.items()}
