"""What pydantic finds wrong with a part of a document, told by its line and with the nearest names."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from suture.errors import nearest
from suture.recipes.document import Document, Place, Problem

Model = TypeVar("Model", bound=BaseModel)
LONGEST = 80


def checked(
    kind: type[Model],
    fields: Mapping[str, Any],
    document: Document,
    place: Place,
    problems: list[Problem],
    also: Iterable[str] = (),
) -> Model | None:
    """The model that stands at ``place``, or None and all that is wrong with it among the ``problems``.

    ``also`` are keys that may stand beside the model's own.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        tell(error, kind, document, place, problems, also)
        return None


def tell(
    error: ValidationError,
    kind: type[BaseModel],
    document: Document,
    place: Place,
    problems: list[Problem],
    also: Iterable[str] = (),
) -> None:
    for found in error.errors():
        inner = found["loc"]
        problems.append((document.told((*place, *inner)), _told(kind, inner, found, tuple(also))))


def _told(kind: type[BaseModel], place: Place, found: Any, also: tuple[str, ...]) -> str:
    name = ".".join(map(str, place)) or kind.__name__.removesuffix("Step").lower()
    if found["type"] == "extra_forbidden":
        owner = _owner(kind, place)
        known = (*owner.model_fields, *(also if owner is kind else ()))
        return f"{name}: no such field; nearest: {', '.join(nearest(str(place[-1]), known))}"
    if found["type"] == "missing":
        return f"{name}: missing"
    said = f"{name}: {found['msg'].removeprefix('Value error, ')}"
    given = repr(found["input"])
    return said if isinstance(found["input"], Mapping) else f"{said} (given {_short(given)})"


def _short(given: str) -> str:
    return given if len(given) <= LONGEST else f"{given[:LONGEST]}…"


def _owner(kind: type[BaseModel], place: Place) -> type[BaseModel]:
    """The model that the last of ``place`` would be a field of."""
    for part in place[:-1]:
        field = kind.model_fields.get(str(part))
        inner = _model(field.annotation) if field else None
        kind = inner or kind
    return kind


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model in ``Stage``, ``tuple[Stage, ...]`` or ``Training | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model(inner))), None)
