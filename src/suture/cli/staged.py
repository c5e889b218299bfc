"""Training in several stages, as options: each stage a text, and what all of them share."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from suture.cli.groups import take
from suture.cli.stages import words
from suture.errors import RecipeError, nearest
from suture.spec.fuse import STAGES
from suture.spec.names import AUGMENTATIONS, CLASS_WEIGHTS, LOSSES, OPTIMIZERS, SAMPLINGS, SCHEDULES
from suture.spec.stage import Stage

_training = partial(typer.Option, rich_help_panel="Training", show_default=False)
PER_STAGE = ("epochs", "lr")


def shared(
    stage: Annotated[
        list[str] | None, _training(help='A stage of training, in order: "head epochs=5 lr=3e-4". May be repeated')
    ] = None,
    epochs: Annotated[str | None, _training(help="Of each stage, with commas: 5,10; or one number for all")] = None,
    lr: Annotated[str | None, _training(help="Learning rate of each stage, with commas, or one for all")] = None,
    optimizer: Annotated[str | None, _training(help=", ".join(OPTIMIZERS))] = None,
    weight_decay: Annotated[float | None, _training(min=0, help="Weight decay")] = None,
    schedule: Annotated[str | None, _training(help=", ".join(SCHEDULES))] = None,
    batch_size: Annotated[int | None, _training(min=1, help="Images a batch")] = None,
    accumulate: Annotated[int | None, _training(min=1, help="Batches a step of the optimizer")] = None,
    recompute: Annotated[bool, _training("--recompute", help="Less memory: compute activations again")] = False,
    label_smoothing: Annotated[float | None, _training(min=0, max=0.999, help="Label smoothing")] = None,
    loss: Annotated[str | None, _training(help=", ".join(LOSSES))] = None,
    class_weights: Annotated[str | None, _training(help=f"Of the loss: {', '.join(CLASS_WEIGHTS)}")] = None,
    sampling: Annotated[str | None, _training(help=f"How images are drawn: {', '.join(SAMPLINGS)}")] = None,
    augment: Annotated[
        str | None,
        _training(
            help=f"With commas: {', '.join(AUGMENTATIONS)}; of the default stages the second's, with --views both"
        ),
    ] = None,
    views: Annotated[int | None, _training(min=1, help="Augmented versions to keep for frozen backbones")] = None,
    precision: Annotated[str | None, _training(help="fp32, or bf16 (autocast)")] = None,
    train_images: Annotated[int | None, _training(min=1, help="Learn from the first so many training images")] = None,
    patience: Annotated[int | None, _training(min=1, help="Stop after so many epochs without a better one")] = None,
    keep: Annotated[str | None, _training(help="End a stage with the weights of its best epoch, or its last")] = None,
    monitor: Annotated[str | None, _training(help="What tells the best epoch: accuracy or cross_entropy")] = None,
) -> dict[str, Any]:
    """What is given of the fields of all stages, ``stage`` the texts where there are some."""
    given = {name: value for name, value in locals().items() if value not in (None, False)}
    return given | ({"augment": words(augment)} if augment is not None else {})


def staged(given: dict[str, Any], default: Sequence[Stage] = STAGES) -> tuple[dict[str, Any], ...]:
    """The fields of every stage: those of its text, else those given for all, else those of the default stages.

    Raises RecipeError.
    """
    told = take(shared, given)
    texts = told.pop("stage", None)
    stages = [_read(text) for text in texts] if texts else [stage.model_dump(exclude_unset=True) for stage in default]
    columns = {name: _each(name, told.pop(name), len(stages)) for name in PER_STAGE if name in told}
    found = []
    for number, stage in enumerate(stages):
        common = told | {name: column[number] for name, column in columns.items()}
        if "all" not in stage["moves"] and "views" not in {**common, **stage} and texts is None:
            common = {name: value for name, value in common.items() if name != "augment"}  # so that features are kept
        found.append(_DEFAULTS | common | stage if texts else stage | common)
    return tuple(found)


_DEFAULTS: dict[str, Any] = {
    "optimizer": "adamw",
    "weight_decay": 1e-4,
    "batch_size": 32,
    "keep": "best",
    "monitor": "cross_entropy",
    "epochs": 5,
}


def _each(name: str, text: str, count: int) -> list[str]:
    values = list(words(text))
    if len(values) not in (1, count):
        raise RecipeError(
            f"--{name} {text} has {len(values)} values for {count} stages",
            expected=f"one for all, or {count} with commas",
            instead=f"--{name} {','.join([*values, *values[-1:] * count][:count])}",
        )
    return values * count if len(values) == 1 else values


def _read(text: str) -> dict[str, Any]:
    """``head,backbones:1 epochs=5 lr=3e-4`` as fields of a Stage."""
    first, *others = text.split() or [""]
    fields: dict[str, Any] = {"moves": words(first)}
    for word in others:
        key, equals, value = word.partition("=")
        if key not in Stage.model_fields or not equals or not value:
            known = nearest(key, Stage.model_fields, 1)[0]
            raise RecipeError(
                f"{word!r} in the stage {text!r} sets no field",
                expected="what moves, then FIELD=VALUE with fields as in a recipe",
                instead=f"{known}={value or '...'}",
            )
        fields[key] = _value(key, value, text)
    if not fields["moves"] or "=" in first:
        raise RecipeError(
            f"the stage {text!r} does not start with what may move",
            expected="parts of the network, such as head or all, with commas",
            instead=f"--stage {'head ' + text!r}" if text else '--stage "head epochs=5"',
        )
    return fields


def _value(key: str, value: str, text: str) -> Any:
    if key == "augment":
        return words(value)
    if key != "lr_of":
        return value
    pairs = [pair.rpartition("=") for pair in words(value)]
    if not all(part and rate for part, _, rate in pairs):
        raise RecipeError(
            f"lr_of={value} in the stage {text!r} gives no part a rate",
            expected="PART=RATE with commas",
            instead="lr_of=backbones=1e-5,head=1e-3",
        )
    return {part: rate for part, _, rate in pairs}
