"""A recipe: the YAML spelling of a chain of verbs.

name: my-first-hybrid        # the run folder, runs/my-first-hybrid
data: sample
seed: 0
steps:
  - search:
      a: zoo:resnet20-a
      b: zoo:tiny10-a
      top: 5
"""

from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from suture.spec.compare import CompareStep
from suture.spec.fuse import ExplainStep, FuseStep, TestTime
from suture.spec.names import DATA
from suture.spec.patch_step import PatchStep
from suture.spec.source import parse_source
from suture.spec.stage import Stage
from suture.spec.step import Count, HybridStage, Joined, Seed, SourceText, Step, StitchStep, known_name
from suture.spec.sweep import SWEPT, SweepStep
from suture.spec.tune import TuneStep

__all__ = [
    "STEPS",
    "SWEPT",
    "CompareStep",
    "EvalStep",
    "ExplainStep",
    "FuseStep",
    "Inputs",
    "Joined",
    "PatchStep",
    "Recipe",
    "SearchStep",
    "Splits",
    "Step",
    "StitchStep",
    "SweepStep",
    "TrainStep",
    "TuneStep",
]


def _data(text: str) -> str:
    return known_name(text, text.partition(":")[0], DATA)


def _run_name(name: str) -> str:
    if name != PurePath(name).name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no folder name; expected one without / (a path goes to --out)")
    return name


RunName = Annotated[str, AfterValidator(_run_name)]


class TrainStep(Step):
    """Train one network, from its weights where the source has some, else from random ones."""

    verb: ClassVar[str] = "train"
    model: SourceText
    stage: Stage = Stage(moves=("all",))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wrong = [part for part in (*self.stage.moves, *self.stage.lr_of) if part not in ("all", "head")]
        if wrong:
            raise ValueError(f"a single network has no {wrong[0]}; expected moves: [all] or [head]")
        if self.stage.views > 1:
            raise ValueError("a single network has no frozen encoder whose views could be kept; views: 1")
        if not self.stage.objective.only_labels:
            raise ValueError("a single network has no adapter and no other network to learn from; objective: {}")
        return self


class SearchStep(Joined):
    """Score every way to join the networks at block cuts, train the best few, score the winner on test."""

    verb: ClassVar[str] = "search"
    score_images: Count = 1024
    top: Count = 5
    stage: HybridStage = Stage(epochs=5)


class EvalStep(Step):
    """Accuracy and cross-entropy of one network.

    ``report`` adds all that is known of a classifier: each class, the confusion, curves, calibration, intervals, the
    worst mistakes. ``tta`` averages the probabilities of several views of each image.
    """

    verb: ClassVar[str] = "eval"
    model: SourceText
    map: Literal["before", "after", "direct"] | None = None
    split: Literal["train", "val", "test"] = "test"
    report: bool = False
    tta: TestTime = "none"

    @model_validator(mode="after")
    def _of_a_stitch(self) -> Self:
        if self.map and parse_source(self.model).kind != "run":
            raise ValueError(f"{self.model} is no run, and only a stitch has a map; run:runs/NAME")
        return self

    @property
    def source(self) -> str:
        """The network with its map, where one is asked for."""
        return f"{self.model.partition('?')[0]}?map={self.map}" if self.map else self.model


STEPS: dict[str, type[Step]] = {
    step.verb: step
    for step in (
        TrainStep,
        StitchStep,
        FuseStep,
        PatchStep,
        TuneStep,
        SearchStep,
        EvalStep,
        CompareStep,
        SweepStep,
        ExplainStep,
    )
}


class Splits(BaseModel):
    """How data that come without some split are divided.

    ``test`` is the share of the images to hold out where there is no test split (0: none are), ``val`` that of the
    rest for validation (None: a tenth, the last where the file order is random); both stratified by class, test
    drawn by ``seed`` (None: the recipe's), validation by the recipe's. ``group`` is ``FILE.csv:COLUMN``: images with
    the same value there (a patient, a camera) never stand on two sides; the file's first column, or one named
    ``file``, names the images. ``duplicates`` looks for nearly equal images on two sides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    val: Annotated[float, Field(gt=0, lt=1)] | None = None
    group: str | None = None
    duplicates: bool = False
    seed: Seed | None = None

    @model_validator(mode="after")
    def _column(self) -> Self:
        if self.group is not None and not all(self.group.rpartition(":")[::2]):
            raise ValueError(
                f"group {self.group!r} names no column of a file; expected FILE.csv:COLUMN; instead "
                "patients.csv:patient"
            )
        return self


class Inputs(BaseModel):
    """What every recipe says besides what is done; ``name`` is that of the run's folder.

    ``deterministic`` allows only operations that give the same bits every time, at some cost on a GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RunName | None = None
    data: Annotated[str, AfterValidator(_data)] = "sample"
    seed: Seed = 0
    device: str = "auto"
    skip_bad: bool = False
    splits: Splits = Splits()
    deterministic: bool = False


class Recipe(Inputs):
    """The whole recipe, frozen; ``steps`` hold one Step each."""

    steps: Annotated[tuple[Any, ...], Field(min_length=1)]

    def as_data(self) -> dict[str, Any]:
        """Plain data, defaults filled in: what ``recipe.yaml`` holds. The name is the folder's, not the recipe's."""
        plain = self.model_dump(mode="json", exclude={"steps", "name"})
        return plain | {"steps": [{step.verb: step.model_dump(mode="json")} for step in self.steps]}
