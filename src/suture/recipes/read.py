"""A YAML file to a recipe, with every mistake told at once, by line."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from suture.errors import RecipeError, nearest
from suture.spec.names import PRESETS
from suture.spec.recipe import STEPS, Recipe, Step

EXPECTED = "a recipe: name, data, seed, device, skip_bad, splits, deterministic, steps"


def find_recipe(name: Path) -> Path:
    """The file of this name, or, where there is none, the recipe that comes with Suture (PRESETS)."""
    if name.exists() or str(name) not in PRESETS:
        return name
    return Path(str(files("suture.recipes") / "shipped" / f"{name}.yaml"))


def read_recipe(path: Path, given: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check a recipe; ``given`` (flags) goes before what the file says. Raises RecipeError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            expected=f"a YAML file, or one of {', '.join(PRESETS)}",
            instead=f"runs/NAME/recipe.yaml, which every run folder has, or {nearest(path.name, PRESETS, 1)[0]}",
        ) from error
    return parse_recipe(text, path.name, given)


def parse_recipe(text: str, name: str, given: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check recipe text; ``name`` is what errors call it. Raises RecipeError."""
    try:
        tree = YAML(typ="rt").load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f"{name}, line {mark.line + 1}" if mark else name
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise RecipeError(
            f"{where} is not YAML: {problem}",
            expected=EXPECTED,
            instead="indent by spaces; quote texts with : or #",
        ) from error
    if not isinstance(tree, dict):
        raise RecipeError(
            f"{name} holds a {type(tree).__name__}, not keys and values",
            expected=EXPECTED,
            instead="data: sample",
        )
    problems: list[tuple[int, str]] = []
    steps = [step for number, entry in enumerate(_list(tree)) if (step := _step(entry, tree, number, problems))]
    plain = _plain(tree)
    fields = {**{key: value for key, value in plain.items() if key != "steps"}, **(given or {})}
    recipe: Recipe | None = _checked(Recipe, fields | {"steps": tuple(steps)}, tree, problems)
    if not steps:  # of which there are none, or all are told already
        problems = [problem for problem in problems if not problem[1].startswith(("steps:", "Recipe:"))]
    if not plain.get("steps"):
        problems.append((1, f"steps: the recipe has none; a step is one of {', '.join(STEPS)}"))
    if problems or recipe is None:
        told = "".join(f"\n  line {line}: {problem}" for line, problem in sorted(problems))
        raise RecipeError(
            f"{name} does not say what to do:{told}", expected=EXPECTED, instead="the lines above, mended"
        )
    return recipe


def _list(tree: dict[str, Any]) -> list[Any]:
    steps = tree.get("steps")
    return steps if isinstance(steps, list) else []


def _step(entry: Any, tree: Any, number: int, problems: list[tuple[int, str]]) -> Step | None:
    line = tree["steps"].lc.item(number)[0] + 1
    if not isinstance(entry, dict) or len(entry) != 1:
        problems.append(
            (line, f"a step is one verb with its fields, such as - search: {{a: ..., b: ...}}; given {entry}")
        )
        return None
    ((verb, fields),) = entry.items()
    if verb not in STEPS:
        problems.append((line, f"there is no verb {verb!r}; nearest: {', '.join(nearest(str(verb), STEPS))}"))
        return None
    if not isinstance(fields, dict):
        problems.append((line, f"{verb}: its fields are missing; it takes {', '.join(STEPS[verb].model_fields)}"))
        return None
    step: Step | None = _checked(STEPS[verb], _plain(fields), fields, problems)
    return step


def _checked(kind: type[BaseModel], fields: Any, tree: Any, problems: list[tuple[int, str]]) -> Any:
    try:
        return kind(**{str(key): value for key, value in fields.items()})
    except ValidationError as error:
        for found in error.errors():
            place = [part for part in found["loc"] if part != "steps"]
            problems.append((_line(tree, place), _told(kind, place, found)))
        return None


def _told(kind: type[BaseModel], place: list[Any], found: Any) -> str:
    name = ".".join(map(str, place)) or kind.__name__
    if found["type"] == "extra_forbidden":
        fields = _owner(kind, place).model_fields
        return f"{name}: no such field; nearest: {', '.join(nearest(str(place[-1]), fields))}"
    if found["type"] == "missing":
        return f"{name}: missing"
    return f"{name}: {found['msg'].removeprefix('Value error, ')} (given {found['input']!r})"


def _owner(kind: type[BaseModel], place: list[Any]) -> type[BaseModel]:
    """The model that the last of ``place`` would be a field of."""
    for part in place[:-1]:
        field = kind.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        kind = inner
    return kind


def _line(tree: Any, place: list[Any]) -> int:
    """The line of the innermost part of ``place`` that stands in the file."""
    line = tree.lc.line + 1 if isinstance(tree, CommentedBase) else 1
    for part in place:
        try:
            line = (tree.lc.item(part) if isinstance(part, int) else tree.lc.key(part))[0] + 1
            tree = tree[part]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def _plain(value: Any) -> Any:
    """ruamel's commented types as plain Python."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
