"""The steps that build on several backbones side by side."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from suture.errors import nearest
from suture.spec.fusion import FusionSpec
from suture.spec.names import EXPLANATIONS, FUSIONS
from suture.spec.source import parse_source
from suture.spec.stage import Stage
from suture.spec.step import Count, SourceText, Step, Width, known_name

TestTime = Literal["none", "flip", "crops"]
_BEST: dict[str, Any] = {"keep": "best", "monitor": "cross_entropy"}
STAGES = (
    Stage(moves=("head",), epochs=5, optimizer="adamw", lr=1e-3, weight_decay=1e-4, batch_size=32, **_BEST),
    Stage(
        moves=("all",),
        epochs=10,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=1e-4,
        schedule="cosine",
        batch_size=32,
        augment=("flip",),
        **_BEST,
    ),
)


def _fusion(name: str) -> str:
    return known_name(name, name, FUSIONS)


def _explanation(name: str) -> str:
    return known_name(name, name, EXPLANATIONS)


class FuseStep(Step):
    """Run backbones side by side under one new head, and train it in stages.

    ``at`` names the cut at which each backbone's features are taken; without it that is the input of its last layer.
    ``width`` is what ``bottleneck``, ``add``, ``gated``, ``cross-attention`` and ``maps`` bring every backbone to.
    ``controls`` trains every backbone alone in the same way, and says whether the fusion beat them. ``seeds`` is how
    many seeds everything is repeated with, from the recipe's upwards, and ``folds`` how many folds of the training
    images are held out in turn; each repetition is a run of its own in the run's folder. ``fold`` is such a run: that
    one fold is its test split. ``tta`` is test-time augmentation of the last scores, ``eval_batch`` the images a batch
    there.
    """

    verb: ClassVar[str] = "fuse"
    networks: Annotated[tuple[SourceText, ...], Field(min_length=1, max_length=26)]
    method: Annotated[str, AfterValidator(_fusion)] = "concat"
    at: tuple[str, ...] = ()
    hidden: Width = 1024
    width: Width = 512
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = STAGES
    controls: bool = False
    seeds: Count = 1
    folds: Annotated[int, Field(ge=2)] | None = None
    fold: Count | None = None
    tta: TestTime = "none"
    eval_batch: Count = 256

    @model_validator(mode="after")
    def _one_cut_each(self) -> Self:
        if self.at and len(self.at) != len(self.networks):
            raise ValueError(
                f"at names {len(self.at)} cuts for {len(self.networks)} backbones; expected one each, or none: the "
                f"input of the last layer; instead --at {','.join([*self.at, *self.at][: len(self.networks)])}"
            )
        return self

    @model_validator(mode="after")
    def _own_parts(self) -> Self:
        own = ("head", "all", "backbones", *(f"backbone{k}" for k in range(1, len(self.networks) + 1)))
        for stage in self.stages:
            for part in (*stage.moves, *stage.lr_of):
                if part.partition(":")[0] not in own or part.startswith("head:"):
                    raise ValueError(
                        f"a fusion of {len(self.networks)} has no part {part}; expected {', '.join(own)}; instead "
                        f"{nearest(part, own, 1)[0]}"
                    )
            if stage.save_every:
                raise ValueError("a fusion keeps the ends of its stages and no steps between; no save_every")
            if not stage.objective.only_labels:
                raise ValueError(
                    "a fusion has no adapter and no other network to learn from; expected the target hard; instead no "
                    "objective"
                )
        return self

    @model_validator(mode="after")
    def _one_of_the_folds(self) -> Self:
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"fold {self.fold} of {self.folds or 'no'} folds; expected a number from 1 to folds")
        return self

    @model_validator(mode="after")
    def _to_compare(self) -> Self:
        if self.controls and len(self.networks) == 1:
            raise ValueError(
                "a single backbone is its own control; expected two or more; instead a second network, or no --controls"
            )
        return self

    @property
    def letters(self) -> dict[str, str]:
        """All sources by letter, in order."""
        return {chr(ord("a") + number): source for number, source in enumerate(self.networks)}

    def fusion(self, classes: int) -> FusionSpec:
        return FusionSpec(self.method, classes, self.hidden, self.width, self.dropout)


class ExplainStep(Step):
    """Grad-CAM overlays of a network's answers, right and wrong ones side by side; what each branch is worth.

    ``images`` are files or folders of images, shown without labels; without them some of ``split`` are shown, ``count``
    right and ``count`` wrong ones, spread over the classes. ``layer`` is the value to look at, found in the graph where
    it is not named. ``method`` is ``grad-cam``, or one of captum's by name. ``target`` is the class to explain, by
    name or number; without it that which the network answers.
    """

    verb: ClassVar[str] = "explain"
    model: SourceText
    images: tuple[str, ...] = ()
    layer: tuple[str, ...] = ()
    method: Annotated[str, AfterValidator(_explanation)] = "grad-cam"
    target: str | None = None
    split: Literal["train", "val", "test"] = "test"
    count: Count = 8

    @property
    def is_run(self) -> bool:
        return parse_source(self.model).kind == "run"
