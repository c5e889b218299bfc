"""The step that compares the layers of two networks."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from suture.errors import SutureError
from suture.spec.layers import LayerChoice, layer_entry, read_layers
from suture.spec.measures import NumberError, measure_name
from suture.spec.step import Count, SourceText, Step

SpatialHandling = Literal["flatten", "mean", "positions"]
SAMPLES = 2048
MOST_PERMUTATIONS = 100_000


def _entry(given: Any) -> str:
    try:
        return layer_entry(given)
    except SutureError as error:
        raise ValueError(error.line) from error


def _name(given: str) -> str:
    try:
        return measure_name(given)
    except NumberError as error:
        told = f"{given!r}: {error}; expected a number in that range; instead {error.usual}"
        raise ValueError(told) from error


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("no measure was named; expected one or more; instead cka")
    return tuple(dict.fromkeys(names))


Entry = Annotated[str, BeforeValidator(_entry), WithJsonSchema({"type": "string"}, mode="validation")]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], AfterValidator(_once), Field(json_schema_extra={"minItems": 1})]


class CompareStep(Step):
    """Similarity of layers of two networks, or of what a stitch gives and its last network's own.

    ``layers`` are pairs X:Y, of any values that the networks compute, or patterns: those of A by those of B. Without
    them what the last adapter of a stitch ``a`` gives is held against the activation of ``b`` whose place it takes,
    where ``b`` is its last network; else every block cut of ``a`` against every one of ``b``.

    ``samples`` is how many are looked at, the first images where the file order is random, else drawn by the seed.
    Of maps every entry is a feature (flatten), or every channel, as its mean over the grid (mean), or at points drawn
    by the seed, which are then the samples (positions). ``permutations`` is how many of the images give the p-values;
    0 gives none (``null`` is no key in YAML).
    """

    verb: ClassVar[str] = "compare"
    a: SourceText
    b: SourceText
    layers: tuple[Entry, ...] = ()
    measure: Names = (measure_name("cka"),)
    split: Literal["train", "val", "test"] = "test"
    samples: Count = SAMPLES
    spatial: SpatialHandling = "flatten"
    permutations: Annotated[int, Field(ge=0, le=MOST_PERMUTATIONS)] = 0

    @property
    def choice(self) -> LayerChoice:
        return read_layers(self.layers)
