"""The options that describe a stage of training, and what it strives for."""

from functools import partial
from typing import Annotated, Any, get_args

import typer

from suture.errors import UsageError
from suture.spec.names import (
    AUGMENTATIONS,
    CLASS_WEIGHTS,
    LOSSES,
    OPTIMIZERS,
    PARTS,
    SAMPLINGS,
    SCHEDULES,
    TARGETS,
)
from suture.spec.objective import MatchAt

_training = partial(typer.Option, rich_help_panel="Training")
_objective = partial(typer.Option, rich_help_panel="Objective")


def stage(
    train: Annotated[str, _training(help=f"What may learn, with commas: {', '.join(PARTS)}")] = "adapter",
    epochs: Annotated[int, _training(min=0, help="Passes over the training images")] = 30,
    optimizer: Annotated[str, _training(help=", ".join(OPTIMIZERS))] = "adam",
    lr: Annotated[float, _training(help="Learning rate (its peak, where a schedule moves it)")] = 1e-3,
    lr_of: Annotated[
        str, _training(help="Rates of their own for parts, in place of --lr: head=1e-3,decoder=1e-5")
    ] = "",
    weight_decay: Annotated[float, _training(min=0, help="Weight decay")] = 0.0,
    momentum: Annotated[float, _training(min=0, help="Momentum of sgd (Nesterov)")] = 0.9,
    schedule: Annotated[
        str, _training(help=f"{', '.join(SCHEDULES)} (a tenth after each third of training)")
    ] = "constant",
    schedule_by: Annotated[str, _training(help="Move the rate every step, or every epoch")] = "step",
    period: Annotated[int | None, _training(min=1, help="Epochs of a cosine; it rises again after them")] = None,
    batch_size: Annotated[int, _training(min=1, help="Images a batch")] = 128,
    accumulate: Annotated[int, _training(min=1, help="Batches a step of the optimizer")] = 1,
    recompute: Annotated[
        bool, _training("--recompute", help="Less memory, more time: compute activations again in the backward pass")
    ] = False,
    loss: Annotated[str, _training(help=", ".join(LOSSES))] = "cross-entropy",
    focal_gamma: Annotated[float, _training(min=0, help="How much less the focal loss minds what is known")] = 2.0,
    class_weights: Annotated[
        str, _training(help=f"Of the loss: {', '.join(CLASS_WEIGHTS)} (number of images)")
    ] = "none",
    sampling: Annotated[str, _training(help=f"How images are drawn: {', '.join(SAMPLINGS)}")] = "shuffled",
    label_smoothing: Annotated[float, _training(min=0, max=0.999, help="Label smoothing")] = 0.0,
    augment: Annotated[str, _training(help=f"With commas: {', '.join(AUGMENTATIONS)}")] = "",
    views: Annotated[int, _training(min=1, help="Augmented versions to keep for a frozen encoder")] = 1,
    precision: Annotated[str, _training(help="fp32, or bf16 (autocast)")] = "fp32",
    patience: Annotated[int | None, _training(min=1, help="Stop after so many epochs without a better one")] = None,
    keep: Annotated[str, _training(help="End with the last epoch's weights, or the best one's on validation")] = "last",
    monitor: Annotated[
        str, _training(help="What on validation tells the best epoch: accuracy or cross_entropy")
    ] = "accuracy",
    train_images: Annotated[int | None, _training(min=1, help="Learn from the first so many training images")] = None,
    order_seed: Annotated[
        int | None, _training(min=0, help="Seed of the batch order and augmentation; else --seed")
    ] = None,
    save_every: Annotated[
        int | None, _training(min=1, help="Keep the weights (of a stitch its map) every so many steps")
    ] = None,
) -> dict[str, Any]:
    """Fields of a Stage; its own check sees whether they fit. Raises UsageError."""
    fields = dict(locals())
    return fields | {"moves": words(fields.pop("train")), "lr_of": rates(lr_of), "augment": words(augment)}


def objective(
    target: Annotated[
        str,
        _objective(
            help=f"What to strive for: {', '.join(TARGETS)}. hard: the labels; soft-a, soft-b: the answers of A or B; "
            "soft-ab: both, the mean of the losses; soft-a+b: their mean logits; match: B's own activations"
        ),
    ] = "hard",
    match_at: Annotated[str, _objective(help=f"Where match looks: {', '.join(get_args(MatchAt))}")] = "cut",
    temperature: Annotated[float, _objective(help="Divides the logits of both sides of a soft target")] = 1.0,
    l1: Annotated[float, _objective(min=0, help="Weight of the mean absolute entry of the map")] = 0.0,
    cka_reg: Annotated[
        float,
        _objective(
            help="Weight of 1 − CKA with B's own activations at the cut: positive pulls together, negative pushes apart"
        ),
    ] = 0.0,
) -> dict[str, Any]:
    """The ``objective`` of a Stage."""
    return {"objective": dict(locals())}


def rates(text: str) -> dict[str, str]:
    """``head=1e-3,backbones=1e-5`` by part; whether they are rates is for the Stage to say. Raises UsageError."""
    pairs = [word.partition("=") for word in words(text)]
    found = {part.strip(): rate.strip() for part, _, rate in pairs}
    if not all(part and rate for part, rate in found.items()) or len(found) < len(pairs):
        raise UsageError(
            f"--lr-of {text} does not give each part one rate",
            expected="PART=RATE with commas, each part once",
            instead="--lr-of head=1e-3,backbones=1e-5",
        )
    return found


def words(text: str) -> tuple[str, ...]:
    """Lists on the command line take commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
