"""One line of training: what moves, for how long, and how."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from suture.spec.objective import Objective

Part = Literal["adapter", "encoder", "decoder", "head", "all"]
Augmentation = Literal["flip", "crop"]


class Stage(BaseModel):
    """Frozen description of one stage of training.

    ``moves`` names the parts that may change; everything else stays as it is, in eval mode. Of a chain, ``adapter``
    is all adapters and ``decoder`` every pretrained part after the first cut. ``patience`` stops after that many
    epochs without a better validation accuracy (None: never). ``views`` is the number of
    augmented versions of the training images that are drawn once and stored where the encoder is frozen
    (1: none are stored; with augmentation the encoder then runs on new ones every epoch). ``order_seed`` draws the
    order of the batches and the augmentation (None: the run's seed); ``save_every`` keeps what moves after every so
    many steps. ``train_images`` takes the first so many training images, in file order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    moves: Annotated[tuple[Part, ...], Field(min_length=1)] = ("adapter",)
    epochs: Annotated[int, Field(ge=0)] = 30
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    schedule: Literal["constant", "one-cycle", "cosine", "step"] = "constant"
    batch_size: Annotated[int, Field(ge=1)] = 128
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: tuple[Augmentation, ...] = ()
    views: Annotated[int, Field(ge=1)] = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    patience: Annotated[int, Field(ge=1)] | None = None
    objective: Objective = Objective()
    order_seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    save_every: Annotated[int, Field(ge=1)] | None = None
    train_images: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _different_views(self) -> Self:
        if self.views > 1 and not self.augment:
            raise ValueError(
                f"{self.views} views of the images as they are would be the same; add augment: [flip, crop]"
            )
        return self

    @model_validator(mode="after")
    def _smoothed_labels(self) -> Self:
        if self.label_smoothing and self.objective.target != "hard":
            raise ValueError(
                f"label smoothing has no use for the target {self.objective.target}, which has no labels; "
                "temperature softens"
            )
        return self
