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
) -> tuple[Model | None, Mapping[str, Any]]:
    """The model that stands at ``place``, and its fields; all that is wrong with it goes to the ``problems``.

    Where something is, they are the model and the fields that remain without it, None where they make no model.
    ``also`` are keys that may stand beside the model's own.
    """
    try:
        return kind(**fields), fields
    except ValidationError as error:
        tell(error, kind, document, place, problems, also)
        return _remaining(kind, fields, error)


def _remaining(
    kind: type[Model], fields: Mapping[str, Any], error: ValidationError
) -> tuple[Model | None, Mapping[str, Any]]:
    while wrong := [_key(fields, found["loc"]) for found in _errors(error)]:
        if not all(wrong):
            break
        for place in wrong:
            fields = _without(fields, place)
        try:
            return kind(**fields), fields
        except ValidationError as again:
            error = again
    return None, fields


def _key(data: Any, place: Place) -> Place:
    """The innermost key of a mapping that leads to a place."""
    found: Place = ()
    for end, part in enumerate(place, 1):
        try:
            inner = data[part]
        except (KeyError, IndexError, TypeError):
            break
        found = place[:end] if isinstance(data, Mapping) else found
        data = inner
    return found


def _without(data: Any, place: Place) -> Any:
    first, *rest = place
    if isinstance(data, list):
        return [_without(one, tuple(rest)) if number == first else one for number, one in enumerate(data)]
    if rest and first in data:
        return {**data, first: _without(data[first], tuple(rest))}
    return {key: value for key, value in data.items() if key != first}


def tell(
    error: ValidationError,
    kind: type[BaseModel],
    document: Document,
    place: Place,
    problems: list[Problem],
    also: Iterable[str] = (),
) -> None:
    for found in _errors(error):
        inner = found["loc"]
        problems.append((document.told((*place, *inner)), _told(kind, inner, found, tuple(also))))


def _errors(error: ValidationError) -> list[Any]:
    """All but those of lists that are too short for want of the items that are wrong."""
    found: list[Any] = error.errors()
    inside = {one["loc"][:end] for one in found for end in range(len(one["loc"]))}
    return [one for one in found if not (one["type"] == "too_short" and one["loc"] in inside)]


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
