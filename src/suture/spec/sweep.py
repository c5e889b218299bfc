"""The step of a sweep: one stitch, and what of it varies."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any, ClassVar

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from suture.errors import PlanError, listed, nearest
from suture.spec.objective import Objective
from suture.spec.stage import Stage
from suture.spec.step import Seed, Step, StitchStep

SWEPT: dict[str, tuple[str, ...]] = {
    **{name: () for name in ("seed", *StitchStep.model_fields) if name not in ("a", "b", "more", "stage")},
    **{name: ("stage",) for name in Stage.model_fields if name != "objective"},
    **dict.fromkeys(Objective.model_fields, ("stage", "objective")),
}
_SEED: TypeAdapter[int] = TypeAdapter(Seed)


class SweepStep(Step):
    """Many stitches of the same networks: every combination of what ``over`` lists, the last key varying fastest.

    Its keys are those of ``SWEPT``, which says what of ``stitch`` each stands for: the seed, and every field of the
    stitch, its stage and its objective, other than the networks.
    """

    verb: ClassVar[str] = "sweep"
    stitch: StitchStep
    over: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]

    @field_validator("over")
    @classmethod
    def _known_values(cls, over: dict[str, tuple[Any, ...]], known: ValidationInfo) -> dict[str, tuple[Any, ...]]:
        """Every wrong key and value is an error of its own, so that each is told with its line."""
        stitch = known.data.get("stitch")
        wrong = [found for key, values in over.items() for found in _wrong(stitch, key, values)]
        if wrong:
            raise ValidationError.from_exception_data("over", wrong)
        return over

    @property
    def choices(self) -> Iterator[dict[str, Any]]:
        """A value of each key of ``over``, in all combinations, sound or not."""
        return (dict(zip(self.over, values, strict=True)) for values in product(*self.over.values()))

    def chosen(self, choice: Mapping[str, Any]) -> StitchStep:
        """The stitch of one combination. Raises PlanError where its values make no sense together."""
        try:
            return StitchStep(**_replaced(self.stitch, choice))
        except ValidationError as error:
            said = [found["msg"].removeprefix("Value error, ").partition("; expected")[0] for found in error.errors()]
            raise PlanError(
                "; ".join(said), expected="values that go together", instead=f"other values of {listed(self.over)}"
            ) from error


def _replaced(stitch: StitchStep, choice: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a stitch with some chosen anew; the seed is none of them."""
    fields = stitch.model_dump()
    for key, value in choice.items():
        if key != "seed":
            inner = fields
            for name in SWEPT[key]:
                inner = inner[name]
            inner[key] = value
    return fields


def _wrong(stitch: StitchStep | None, key: str, values: tuple[Any, ...]) -> Iterator[InitErrorDetails]:
    """What is wrong with one key of ``over``; values are looked at where the stitch itself is sound."""
    if key not in SWEPT:
        yield _detail((key,), values, f"nothing that a sweep varies; nearest: {', '.join(nearest(key, SWEPT))}")
        return
    for number, value in enumerate(values):
        if value in values[:number]:
            yield _detail((key, number), value, "listed twice")
        elif stitch is not None:
            yield from (_detail((key, number), value, said) for said in _said(stitch, key, value))


def _said(stitch: StitchStep, key: str, value: Any) -> list[str]:
    """What the field of a key says of one value by itself; whether it goes with the others is ``chosen``'s to see."""
    place = (*SWEPT[key], key)
    try:
        if key == "seed":
            place = ()
            _SEED.validate_python(value, strict=True)
        else:
            StitchStep(**_replaced(stitch, {key: value}))
    except ValidationError as error:
        return [found["msg"].removeprefix("Value error, ") for found in error.errors() if _within(found["loc"], place)]
    return []


def _within(place: tuple[int | str, ...], outer: tuple[str, ...]) -> bool:
    return place[: len(outer)] == outer


def _detail(place: tuple[int | str, ...], given: Any, said: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("swept", "{said}", {"said": said}), loc=place, input=given)
