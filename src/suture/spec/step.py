"""What the steps of a recipe share, and the stitch, which a sweep is made of."""

from string import ascii_lowercase
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from suture.errors import SutureError, nearest
from suture.spec.adapter import AdapterSpec, Mask, Resample, Start, Weighting
from suture.spec.at import read_at, spelled
from suture.spec.names import ADAPTERS
from suture.spec.source import parse_source
from suture.spec.stage import Stage


def _source(text: str) -> str:
    try:
        parse_source(text)
    except SutureError as error:
        raise ValueError(error.line) from error
    return text


def _at(given: Any, fields: ValidationInfo) -> str:
    """Any spelling of ``at`` as the command line's."""
    more = fields.data.get("more")
    try:
        return spelled(read_at(given, None if more is None else 2 + len(more)))
    except SutureError as error:
        raise ValueError(error.line) from error


def _adapter(name: str) -> str:
    return known_name(name, name, ADAPTERS)


def known_name(text: str, name: str, names: tuple[str, ...]) -> str:
    """``text``, of which ``name`` must be one of ``names``."""
    if name not in names:
        raise ValueError(f"unknown; expected one of {', '.join(names)}; nearest: {nearest(name, names)[0]}")
    return text


SourceText = Annotated[str, AfterValidator(_source)]
AtText = Annotated[
    str, BeforeValidator(_at), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array"}]}, mode="validation")
]
Count = Annotated[int, Field(ge=1)]
Width = Annotated[int, Field(ge=1, le=65_536)]  # wider layers are slips of the pen, and fill the memory
HYBRID_PARTS = ("adapter", "encoder", "decoder", "head", "all")
Seed = Annotated[int, Field(ge=0, lt=2**32)]


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
    rank: Width | None = None
    resample: Resample = "bilinear"
    init: Start = "least-squares"
    mask: Mask = "identity"
    flatten: bool = False
    weight: Weighting = "none"
    ridge: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    fit_images: Count = 1024

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.rank is not None and self.adapter not in ("linear", "lowrank"):
            raise ValueError(f"an adapter of kind {self.adapter} has no rank: --adapter lowrank, or no --rank")
        try:
            self.spec  # noqa: B018
        except SutureError as error:
            raise ValueError(error.line) from error
        return self

    @property
    def spec(self) -> AdapterSpec:
        """The adapter of every join; a linear one with a rank is ``lowrank``."""
        kind = "lowrank" if self.rank is not None and self.adapter == "linear" else self.adapter
        return AdapterSpec(kind, self.resample, self.init, self.ridge, self.rank, self.mask, self.flatten, self.weight)

    @property
    def networks(self) -> dict[str, str]:
        """All sources by letter, in the order in which their parts run."""
        return dict(zip(ascii_lowercase, (self.a, self.b, *self.more), strict=False))


def hybrid_stage(stage: Stage) -> Stage:
    """A stage whose parts a stitch or a chain has."""
    wrong = [part for part in (*stage.moves, *stage.lr_of) if part not in HYBRID_PARTS]
    if wrong:
        raise ValueError(f"a stitch has no part {wrong[0]}; expected some of {', '.join(HYBRID_PARTS)}")
    if stage.recompute:
        raise ValueError("a stitch has no stages to compute again; recompute: false")
    return stage


HybridStage = Annotated[Stage, AfterValidator(hybrid_stage)]


class StitchStep(Joined):
    """Stitch two networks at one place, or more in a row, and train the adapters."""

    verb: ClassVar[str] = "stitch"
    at: AtText | None = None
    new_head: bool = False
    stage: HybridStage = Stage()
    split: Literal["val", "test"] = "test"
