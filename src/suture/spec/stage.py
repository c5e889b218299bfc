"""One line of training: what moves, for how long, and how."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from suture.errors import nearest
from suture.spec.names import AUGMENTATIONS, PARTS
from suture.spec.objective import Objective

Augmentation = Literal["flip", "crop", "rotate", "affine", "erase"]
Sampling = Literal["shuffled", "weighted", "class-balanced"]
ClassWeights = Literal["none", "balanced", "effective"]
Schedule = Literal["constant", "one-cycle", "cosine", "step"]
Loss = Literal["cross-entropy", "focal"]
_PART = re.compile(r"(?P<name>[a-z]+)(?P<number>[1-9]\d*)?(:(?P<last>[1-9]\d*))?")


def _part(text: str) -> str:
    """One of PARTS, or ``backbone1``, ``backbone2``, ...; with ``:K`` or not."""
    found = _PART.fullmatch(text)
    known = found and (
        (found["name"] in PARTS and not found["number"]) or (found["name"] == "backbone" and found["number"])
    )
    if not found or not known:
        close = nearest(text.partition(":")[0], (*PARTS, "backbone1"), 1)[0]
        raise ValueError(
            f"{text!r} is no part; expected one of {', '.join(PARTS)}, or backbone1, backbone2, ..., with :K behind "
            f"for its last K stages; nearest: {close}"
        )
    return text


Part = Annotated[str, AfterValidator(_part)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Stage(BaseModel):
    """Frozen description of one stage of training.

    ``moves`` names the parts that may change; everything else stays as it is, in eval mode. Of a chain, ``adapter``
    is all adapters and ``decoder`` every pretrained part after the first cut; of a fusion ``backbones`` is all of
    them, and ``backbones:2`` the last two stages of each (a stage ends where the resolution falls); of a patched
    network ``blocks`` is what was added, and ``backbone:2`` its last two stages. ``lr_of`` gives parts a rate of their
    own, in place of ``lr``.

    ``schedule`` moves the rates: ``cosine`` over ``period`` epochs (None: those of the stage; past its period it
    rises again, as torch's CosineAnnealingLR does), anew every step or, with ``schedule_by`` epoch, every epoch.
    ``accumulate`` batches are summed to one step of the optimizer; ``recompute`` keeps the activations of stage ends
    only and computes the rest again in the backward pass: less memory, a third more time.

    ``patience`` stops after that many epochs without a better one on validation (None: never), by its accuracy or, as
    ``monitor`` says, its cross-entropy, which tells finer differences where images are few. ``keep`` says with
    which weights the stage ends: those of its ``last`` epoch, or of its ``best`` one on validation, before the first
    included. ``views`` is the number of augmented versions of the training images that are drawn once and stored where
    the encoder is frozen (1: none are stored; with augmentation the encoder then runs on new ones every epoch).
    ``order_seed`` draws the order of the batches and the augmentation (None: the run's seed); ``save_every`` keeps
    what moves after every so many steps. ``train_images`` takes the first so many training images, in file order.

    Against imbalance: ``sampling`` draws images ``weighted`` by one over the size of their class, with replacement, or
    fills every batch with as many of each class (``class-balanced``); ``class_weights`` weighs the loss by one over
    that size (``balanced``) or over the effective number of images (Cui et al. 2019, arXiv 1901.05555, β = 0.999);
    ``loss`` focal gives weight (1 − p)^``focal_gamma`` to an image answered with p (Lin et al. 2017, arXiv 1708.02002).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    moves: Annotated[tuple[Part, ...], Field(min_length=1)] = ("adapter",)
    epochs: Annotated[int, Field(ge=0)] = 30
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    lr: Rate = 1e-3
    lr_of: Mapping[Part, Rate] = {}
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Schedule = "constant"
    schedule_by: Literal["step", "epoch"] = "step"
    period: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 128
    accumulate: Annotated[int, Field(ge=1)] = 1
    recompute: bool = False
    loss: Loss = "cross-entropy"
    focal_gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 2.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: ClassWeights = "none"
    sampling: Sampling = "shuffled"
    augment: tuple[Augmentation, ...] = ()
    views: Annotated[int, Field(ge=1)] = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    patience: Annotated[int, Field(ge=1)] | None = None
    keep: Literal["last", "best"] = "last"
    monitor: Literal["accuracy", "cross_entropy"] = "accuracy"
    objective: Objective = Objective()
    order_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    save_every: Annotated[int, Field(ge=1)] | None = None
    train_images: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _different_views(self) -> Self:
        if self.views > 1 and not self.augment:
            raise ValueError(
                f"{self.views} views of the images as they are would be the same; "
                f"add augment: [{', '.join(AUGMENTATIONS[:2])}]"
            )
        return self

    @model_validator(mode="after")
    def _about_labels(self) -> Self:
        if self.objective.target == "hard":
            return self
        asked = {
            "label smoothing": bool(self.label_smoothing),
            "the focal loss": self.loss == "focal",
            "a weight of classes": self.class_weights != "none",
        }
        for what, is_asked in asked.items():
            if is_asked:
                raise ValueError(
                    f"{what} has no use for the target {self.objective.target}, which has no labels; "
                    "temperature softens"
                )
        return self

    @model_validator(mode="after")
    def _rates_of_what_moves(self) -> Self:
        if self.period is not None and self.schedule != "cosine":
            raise ValueError(f"a period has no use for the schedule {self.schedule}; schedule: cosine")
        moving = {part.partition(":")[0].rstrip("0123456789").rstrip("s") for part in self.moves}
        for part in self.lr_of:
            if "all" not in moving and part.partition(":")[0].rstrip("0123456789").rstrip("s") not in moving:
                raise ValueError(
                    f"lr_of gives {part} a rate, and only {', '.join(self.moves)} may move; moves: [{part}]"
                )
        return self
