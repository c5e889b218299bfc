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
from string import ascii_lowercase
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from suture.errors import SutureError, listed, nearest
from suture.spec.adapter import Resample, Start
from suture.spec.at import read_at, spelled
from suture.spec.names import ADAPTERS, DATA
from suture.spec.source import parse_source
from suture.spec.stage import Stage


def _source(text: str) -> str:
    try:
        parse_source(text)
    except SutureError as error:
        raise ValueError(f"{error.given}; expected {error.expected}; instead {error.instead}") from error
    return text


def _at(given: Any, fields: ValidationInfo) -> str:
    """Any spelling of ``at`` as the command line's."""
    more = fields.data.get("more")
    try:
        return spelled(read_at(given, None if more is None else 2 + len(more)))
    except SutureError as error:
        raise ValueError(f"{error.given}; expected {error.expected}; instead {error.instead}") from error


def _adapter(name: str) -> str:
    return _known(name, name, ADAPTERS)


def _data(text: str) -> str:
    return _known(text, text.partition(":")[0], DATA)


def _known(text: str, name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise ValueError(f"unknown; expected one of {listed(names)}; nearest: {nearest(name, names)[0]}")
    return text


def _run_name(name: str) -> str:
    if name != PurePath(name).name or name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no folder name; expected one without / (a path goes to --out)")
    return name


RunName = Annotated[str, AfterValidator(_run_name)]
SourceText = Annotated[str, AfterValidator(_source)]
AtText = Annotated[str, BeforeValidator(_at)]
Count = Annotated[int, Field(ge=1)]


class Step(BaseModel):
    """What every verb shares: frozen, and no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verb: ClassVar[str]


class Joined(Step):
    """What stitch and search share. ``a`` gives the first part; ``b``, or the last of ``more``, the last part."""

    a: SourceText
    b: SourceText
    more: Annotated[tuple[SourceText, ...], Field(max_length=len(ascii_lowercase) - 2)] = ()
    adapter: Annotated[str, AfterValidator(_adapter)] = "linear"
    rank: Count | None = None
    resample: Resample = "bilinear"
    init: Start = "least-squares"
    ridge: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    fit_images: Count = 1024

    @model_validator(mode="after")
    def _rank_has_a_use(self) -> Self:
        if self.rank is not None and self.adapter != "lowrank":
            raise ValueError(f"an adapter of kind {self.adapter} has no rank: --adapter lowrank, or no --rank")
        return self

    @property
    def networks(self) -> dict[str, str]:
        """All sources by letter, in the order in which their parts run."""
        return dict(zip(ascii_lowercase, (self.a, self.b, *self.more), strict=False))


class TrainStep(Step):
    """Train one network, from its weights where the source has some, else from random ones."""

    verb: ClassVar[str] = "train"
    model: SourceText
    stage: Stage = Stage(moves=("all",))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        wrong = [part for part in self.stage.moves if part not in ("all", "head")]
        if wrong:
            raise ValueError(f"a single network has no {wrong[0]}; expected moves: [all] or [head]")
        return self


class StitchStep(Joined):
    """Stitch two networks at one place, or more in a row, and train the adapters."""

    verb: ClassVar[str] = "stitch"
    at: AtText | None = None
    new_head: bool = False
    stage: Stage = Stage()
    split: Literal["val", "test"] = "test"


class SearchStep(Joined):
    """Score every way to join the networks at block cuts, train the best few, score the winner on test."""

    verb: ClassVar[str] = "search"
    score_images: Count = 1024
    top: Count = 5
    stage: Stage = Stage(epochs=5)


class EvalStep(Step):
    """Accuracy and cross-entropy of one network."""

    verb: ClassVar[str] = "eval"
    model: SourceText
    split: Literal["train", "val", "test"] = "test"


STEPS: dict[str, type[Step]] = {step.verb: step for step in (TrainStep, StitchStep, SearchStep, EvalStep)}


class Recipe(BaseModel):
    """The whole recipe, frozen; ``steps`` hold one Step each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: RunName | None = None
    data: Annotated[str, AfterValidator(_data)] = "sample"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    device: str = "auto"
    skip_bad: bool = False
    steps: Annotated[tuple[Any, ...], Field(min_length=1)]

    def as_data(self) -> dict[str, Any]:
        """Plain data, defaults filled in: what ``recipe.yaml`` holds. The name is the folder's, not the recipe's."""
        plain = self.model_dump(mode="json", exclude={"steps", "name"})
        return plain | {"steps": [{step.verb: step.model_dump(mode="json")} for step in self.steps]}
