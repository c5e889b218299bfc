"""YAML text as plain data, with the line of everything in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from suture.errors import RecipeError

EXPECTED = "a recipe: name, data, seed, device, skip_bad, splits, deterministic, steps"
MOST = 20_000
_MERGE = "tag:yaml.org,2002:merge"
Place = tuple[str | int, ...]
Where = tuple[int, str]  # what sorts it, and how it is told
Problem = tuple[Where, str]


@dataclass(frozen=True)
class Document:
    """Plain mappings, lists and values, and where each came from, by the keys and numbers that lead there."""

    data: Any
    where: Mapping[Place, Where] = field(default_factory=dict)

    def told(self, place: Sequence[str | int]) -> Where:
        """Where the innermost part of ``place`` that stands in the file is."""
        inner = (tuple(place[:end]) for end in range(len(place), -1, -1))
        return next((self.where[known] for known in inner if known in self.where), (1, "line 1"))

    def at(self, place: Sequence[str | int]) -> Any:
        """The value at a place; None where there is none."""
        value = self.data
        for part in place:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def within(self, place: Place) -> dict[Place, Where]:
        """Where everything at and beneath a place is, by what leads there from it."""
        end = len(place)
        return {known[end:]: where for known, where in self.where.items() if known[:end] == place}

    def put(self, place: Place, value: Any, where: Where) -> "Document":
        """The document with one value anew; mappings on the way to it are made where there are none."""
        kept = {known: told for known, told in self.where.items() if known[: len(place)] != place}
        outer = {place[:end]: where for end in range(1, len(place)) if place[:end] not in kept}
        return Document(_put(self.data, place, value), kept | outer | {place: where})


def _put(data: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    first, *rest = place
    if isinstance(data, list) and isinstance(first, int):
        return [_put(one, tuple(rest), value) if number == first else one for number, one in enumerate(data)]
    data = data or {}
    return {**data, first: _put(data.get(first), tuple(rest), value)}


def read_document(text: str, name: str) -> Document:
    """Read YAML. ``name`` is what errors call it. Raises RecipeError for all that is not YAML."""
    yaml = YAML(typ="safe", pure=True)
    where: dict[Place, Where] = {}
    try:
        node = yaml.compose(text)
        data = None if node is None else _value(node, (), yaml, where, ())
    except Exception as error:  # on odd input ruamel raises far more than its own errors
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        told = f"{name}, line {mark.line + 1}" if mark else name
        problem = str(getattr(error, "problem", None) or error or type(error).__name__).splitlines()[0]
        raise RecipeError(
            f"{told} is not YAML: {problem}",
            expected=EXPECTED,
            instead="indent by spaces; quote texts with : or #; every key once",
        ) from error
    return Document(data, where)


def read_mapping(text: str, name: str) -> Document:
    """A document of keys and values. Raises RecipeError."""
    document = read_document(text, name)
    if not isinstance(document.data, dict):
        raise RecipeError(
            f"{name} holds a {type(document.data).__name__}, not keys and values",
            expected=EXPECTED,
            instead="data: sample",
        )
    return document


def _value(node: Node, place: Place, yaml: Any, where: dict[Place, Where], above: tuple[int, ...]) -> Any:
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1} holds itself")
    if len(where) > MOST:
        raise ValueError(f"more than {MOST} values")
    above = (*above, id(node))
    where.setdefault(place, _line(node))
    if isinstance(node, ScalarNode):
        return yaml.constructor.construct_object(node)
    if not isinstance(node, MappingNode):
        return [_value(inner, (*place, number), yaml, where, above) for number, inner in enumerate(node.value)]
    found: dict[str, Any] = {}
    merged: list[tuple[Node, Node]] = []
    for key, inner in node.value:
        if key.tag == _MERGE:
            merged += _pairs(inner)
            continue
        name = _name(key, yaml)
        if name in found:
            raise ValueError(f"line {key.start_mark.line + 1}: {name} stands there twice")
        where[*place, name] = _line(key)
        found[name] = _value(inner, (*place, name), yaml, where, above)
    for key, inner in merged:
        name = _name(key, yaml)
        if name not in found:
            where[*place, name] = _line(key)
            found[name] = _value(inner, (*place, name), yaml, where, above)
    return found


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    """What ``<<: *one`` or ``<<: [*one, *other]`` brings."""
    for inner in [node] if isinstance(node, MappingNode) else node.value:
        if not isinstance(inner, MappingNode):
            raise ValueError(f"line {node.start_mark.line + 1}: << wants mappings")
        yield from inner.value


def _name(key: Node, yaml: Any) -> str:
    if not isinstance(key, ScalarNode):
        raise ValueError(f"line {key.start_mark.line + 1}: a key is a single value")
    return str(yaml.constructor.construct_object(key))


def _line(node: Node) -> Where:
    line = node.start_mark.line + 1
    return line, f"line {line}"
