"""The other spelling of a recipe: a backbone, its patches, a head, and how it is trained."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from suture.errors import SutureError, nearest
from suture.spec.names import AUGMENTATIONS, SCHEDULES, SOURCES
from suture.spec.patch_step import STAGES, Patches, PatchStep
from suture.spec.recipe import Inputs
from suture.spec.source import Source, parse_source
from suture.spec.stage import Part, Rate, Stage
from suture.spec.step import Width

DEFAULT = "DEFAULT"
HINTS = ("warmup_epochs", "step_size", "gamma", "min_lr", "grad_clip")
_SAME = {"horizontal_flip": "flip", "random_horizontal_flip": "flip"}
_SCHEDULES = {"none": "constant", "onecycle": "one-cycle", "cosine_annealing": "cosine"}
_STAGE = ("epochs", "optimizer", "lr", "weight_decay", "batch_size", "keep", "monitor")
_CALL = re.compile(r"\s*([^()]*?)\s*(?:\((.*)\))?\s*", re.DOTALL)


def _called(given: Any) -> Any:
    """``resnet50(weights=IMAGENET1K_V2)`` and ``resnet50`` as the fields of a backbone."""
    found = _CALL.fullmatch(given) if isinstance(given, str) else None
    if not found:
        return given
    pairs = [pair.partition("=") for pair in (found[2] or "").split(",") if pair.strip()]
    told: dict[str, Any] = {key.strip(): value.strip().strip("'\"") for key, _, value in pairs}
    if told.get("weights") in ("None", "null"):
        told["weights"] = None
    return {"name": found[1], **told}


def _headed(given: Any) -> Any:
    """``linear(100)`` and ``100`` as the fields of a head."""
    found = re.fullmatch(r"\s*linear\(\s*(\d{1,9})\s*\)\s*", given) if isinstance(given, str) else None
    if found:
        return {"type": "linear", "num_classes": int(found[1])}
    return {"num_classes": given} if isinstance(given, int) and not isinstance(given, bool) else given


class Backbone(BaseModel):
    """A network by its name in torchvision, or by a source string, and what is changed in it.

    ``weights`` are a tag, a file, or null for random ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights: str | None = DEFAULT
    patches: Patches = ()
    identity_start: bool = False

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        try:
            self.source()
        except SutureError as error:
            raise ValueError(error.line) from error
        return self

    def source(self, size: int | None = None) -> Source:
        """The source of the backbone. Raises SourceError."""
        named = self.name.partition(":")[0] in SOURCES and ":" in self.name
        source = parse_source(self.name if named else f"torchvision:{self.name}")
        if size is not None:
            source = replace(source, override=replace(source.override, size=size))
        if self.weights != DEFAULT:
            if source.weights or source.kind == "run":
                raise ValueError(f"{self.name} says which weights; expected no weights beside it")
            source = replace(source, weights="none" if self.weights is None else self.weights)
        return parse_source(str(source))


class Head(BaseModel):
    """One linear layer, with dropout before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_classes: Width | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    type: Literal["linear"] = "linear"


class Training(Stage):
    """One stage of training; all that a Stage has, under the guide's names or its own.

    ``freeze_backbone`` trains the head and what was added, with ``unfreeze_stages`` also those stages of the backbone,
    counted from 0 after the stem: the last ones. Hints that nothing here stands for are told and do nothing.
    """

    moves: Annotated[tuple[Part, ...], Field(min_length=1)] = ("all",)
    learning_rate: Rate | None = None
    scheduler: str | None = None
    freeze_backbone: bool = False
    unfreeze_stages: tuple[Annotated[int, Field(ge=0)], ...] = ()
    augmentation: tuple[Any, ...] = ()
    warmup_epochs: Any = None
    step_size: Any = None
    gamma: Any = None
    min_lr: Any = None
    grad_clip: Any = None

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        for one, other in (
            ("learning_rate", "lr"),
            ("scheduler", "schedule"),
            ("augmentation", "augment"),
            ("freeze_backbone", "moves"),
        ):
            if {one, other} <= self.model_fields_set:
                raise ValueError(f"{one} and {other} say the same; expected one of them; instead {other}")
        return self

    @model_validator(mode="after")
    def _known_schedule(self) -> Self:
        if self.scheduler is not None and self._schedule not in SCHEDULES:
            near = nearest(self.scheduler, SCHEDULES, 1)[0]
            raise ValueError(
                f"there is no scheduler {self.scheduler!r}; expected {', '.join(SCHEDULES)}; instead scheduler: {near}"
            )
        return self

    @model_validator(mode="after")
    def _last_stages(self) -> Self:
        stages = self.unfreeze_stages
        if stages and list(stages) != list(range(stages[0], stages[0] + len(stages))):
            raise ValueError(
                f"unfreeze_stages {list(stages)} are not in a row; expected the last stages of the backbone; instead "
                "unfreeze_stages: [2, 3]"
            )
        return self

    @property
    def _schedule(self) -> str:
        told = (self.scheduler or "constant").lower()
        return _SCHEDULES.get(told, told)

    def stage(self, last: int = 0) -> Stage:
        """The stage; ``last`` is how many of the backbone's last stages learn where it is frozen."""
        base = STAGES[0 if self.freeze_backbone else 1]
        fields = {name: getattr(base, name) for name in _STAGE}
        fields |= {name: getattr(self, name) for name in self.model_fields_set if name in Stage.model_fields}
        if "moves" not in self.model_fields_set:
            parts = ("head", "blocks", *((f"backbone:{last}",) if last else ()))
            fields["moves"] = parts if self.freeze_backbone else ("all",)
        if self.learning_rate is not None:
            fields["lr"] = self.learning_rate
        if self.scheduler is not None:
            fields["schedule"] = self._schedule
        if self.augmentation:
            fields["augment"] = tuple(dict.fromkeys(filter(None, map(_augmentation, self.augmentation))))
        return Stage(**fields)

    def left_out(self) -> list[tuple[tuple[str | int, ...], str]]:
        """The hints that do nothing, each with its place."""
        found: list[tuple[tuple[str | int, ...], str]] = [
            ((name,), f"suture has no {name}; it does nothing")
            for name in HINTS
            if name in self.model_fields_set and getattr(self, name) is not None
        ]
        for number, hint in enumerate(self.augmentation):
            if _augmentation(hint) is None:
                known = f"suture augments by {', '.join(AUGMENTATIONS)}"
                found.append((("augmentation", number), f"augmentation {_spelled(hint)} does nothing; {known}"))
        if self.unfreeze_stages and not self.freeze_backbone:
            found.append((("unfreeze_stages",), "unfreeze_stages does nothing without freeze_backbone: true"))
        return found


def _augmentation(hint: Any) -> str | None:
    """One of AUGMENTATIONS that is just what a hint asks for."""
    name, value = next(iter(hint.items())) if isinstance(hint, Mapping) and len(hint) == 1 else (hint, None)
    known = _SAME.get(str(name), str(name))
    return known if known in AUGMENTATIONS and (value is None or (known == "flip" and value == 0.5)) else None


def _spelled(hint: Any) -> str:
    if isinstance(hint, Mapping):
        return ", ".join(f"{name}: {value}" for name, value in hint.items())
    return str(hint)


def _shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if shape[0] != 3 or shape[1] != shape[2]:
        raise ValueError(
            f"images of {'x'.join(map(str, shape))}; expected square ones of three channels: [3, 224, 224]"
        )
    return shape


class Guide(Inputs):
    """``backbone``, ``head`` and ``training`` in place of steps.

    ``input_shape`` is the size to which images are brought; without it that is the network's own.
    """

    input_shape: Annotated[tuple[int, int, Annotated[int, Field(ge=1, le=9999)]], AfterValidator(_shape)] | None = None
    backbone: Annotated[Backbone, BeforeValidator(_called)]
    head: Annotated[Head, BeforeValidator(_headed)] = Head()
    num_classes: Width | None = None
    training: Training | None = None

    @model_validator(mode="after")
    def _classes_once(self) -> Self:
        if None not in (self.num_classes, self.head.num_classes) and self.num_classes != self.head.num_classes:
            raise ValueError(
                f"num_classes is {self.num_classes} and that of the head {self.head.num_classes}; expected one of them"
            )
        return self

    @property
    def classes(self) -> int | None:
        return self.head.num_classes if self.num_classes is None else self.num_classes

    @property
    def source(self) -> str:
        return str(self.backbone.source(self.input_shape and self.input_shape[1]))

    def step(self, last: int = 0) -> PatchStep:
        """The step that this is; ``last`` as in ``Training.stage``."""
        return PatchStep(
            model=self.source,
            patches=self.backbone.patches,
            identity_start=self.backbone.identity_start,
            num_classes=self.classes,
            dropout=self.head.dropout,
            stages=STAGES if self.training is None else (self.training.stage(last),),
        )
