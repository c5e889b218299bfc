"""A YAML file to a recipe, with every mistake told at once, by line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture.errors import RecipeError, nearest
from suture.recipes.document import EXPECTED, Document, Place, Problem, read_mapping
from suture.recipes.extends import extended
from suture.recipes.guide import FROM_SCRATCH, is_guide, read_guide
from suture.recipes.macros import expanded
from suture.recipes.overrides import FIRST, overridden
from suture.recipes.templates import SHIPPED, find_recipe
from suture.recipes.wrong import checked
from suture.spec.recipe import STEPS, Inputs, Recipe, Step

__all__ = ["Reading", "find_recipe", "parse", "parse_recipe", "read", "read_recipe", "read_text", "refused", "survey"]

META = ("version", "description")


@dataclass(frozen=True)
class Reading:
    """A recipe; where everything in it stands, in the form of steps; and what of the file does nothing.

    Where there are ``problems``, its steps are of what can be read without them, None where that makes no step;
    ``partial`` are those of which something is left out, counted from 0.
    """

    recipe: Recipe
    document: Document
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    partial: frozenset[int] = frozenset()


def read_recipe(path: Path, given: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check a recipe; ``given`` (flags) goes before what the file says. Raises RecipeError."""
    return read(path, given).recipe


def parse_recipe(text: str, name: str, given: Mapping[str, Any] | None = None) -> Recipe:
    """Read and check recipe text; ``name`` is what errors call it. Raises RecipeError."""
    return parse(text, name, given).recipe


def read(
    path: Path, given: Mapping[str, Any] | None = None, settings: Iterable[str] = (), *, trust_code: bool = False
) -> Reading:
    """The same with ``--set`` settings, and all that was read."""
    return parse(read_text(path), path.name, given, settings, folder=path.parent, trust_code=trust_code)


def parse(text: str, name: str, *given: Any, **options: Any) -> Reading:
    """What ``survey`` finds of a recipe in which nothing is wrong. Raises RecipeError."""
    reading = survey(text, name, *given, **options)
    if reading.problems:
        raise refused(name, reading.problems)
    return reading


def read_text(path: Path) -> str:
    """The text of a recipe file. Raises RecipeError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RecipeError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            expected=f"a YAML file, or one of {', '.join(SHIPPED)}",
            instead=f"runs/NAME/recipe.yaml, which every run folder has, or {nearest(path.name, SHIPPED, 1)[0]}",
        ) from error


def survey(
    text: str,
    name: str,
    given: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    *,
    folder: Path = Path(),
    trust_code: bool = False,
) -> Reading:
    """Read recipe text with all that is wrong with it. Raises RecipeError where it has no keys and values."""
    document = overridden(extended(read_mapping(text, name), name, folder), settings)
    for key, value in (given or {}).items():
        document = document.put((key,), value, (FIRST, f"--{key.replace('_', '-')}"))
    problems: list[Problem] = []
    notes: list[Problem] = []
    document = expanded(document, problems)
    _check_meta(document, problems)
    fields = {key: value for key, value in document.data.items() if key not in META}
    document = Document(fields, document.where)
    recipe, partial = Recipe.model_construct(steps=()), frozenset({0})
    if from_scratch := [key for key in FROM_SCRATCH if key in fields]:
        said = "suture builds nothing from scratch, it starts from networks that exist: backbone: resnet50"
        problems += [(document.told((key,)), f"{key}: {said}") for key in from_scratch]
    elif is_guide(fields):
        recipe, document = read_guide(document, problems, notes, trust_code)
    else:
        recipe, document, partial = _of_steps(document, problems)
    told = tuple(f"{where}: {said}" for (_, where), said in sorted(notes))
    return Reading(recipe, document, told, tuple(problems), partial if problems else frozenset())


def refused(name: str, problems: Iterable[Problem]) -> RecipeError:
    """All that is wrong with a recipe, each at its line."""
    told = "".join(f"\n  {where}: {text}" for (_, where), text in sorted(dict.fromkeys(problems)))
    return RecipeError(f"{name} does not say what to do:{told}", expected=EXPECTED, instead="the lines above, mended")


def _check_meta(document: Document, problems: list[Problem]) -> None:
    for key in META:
        if isinstance(document.data.get(key), (dict, list)):
            problems.append((document.told((key,)), f"{key}: a text, for people"))


def _of_steps(document: Document, problems: list[Problem]) -> tuple[Recipe, Document, frozenset[int]]:
    entries = document.data.get("steps")
    listed = entries if isinstance(entries, list) else []
    steps: list[Step | None] = []
    left: list[Any] = []
    partial: set[int] = set()
    for number, entry in enumerate(listed):
        before = len(problems)
        step, fields = _step(entry, document, number, problems)
        steps.append(step)
        left.append({step.verb: fields} if step else entry)
        if len(problems) > before:
            partial.add(number)
    inputs = {key: value for key, value in document.data.items() if key != "steps"}
    known, rest = checked(Inputs, inputs, document, (), problems, also=("steps", "backbone", "macros", *META))
    if not entries:
        told = f"steps: the recipe has none; a step is one of {', '.join(STEPS)}"
        problems.append((document.told(("steps",)), told))
    elif not isinstance(entries, list) and entries:
        problems.append((document.told(("steps",)), f"steps: a list, each item one of {', '.join(STEPS)}"))
    recipe = Recipe.model_construct(**dict(known or Inputs()), steps=tuple(steps))
    return recipe, Document({**rest, "steps": left}, document.where), frozenset(partial)


def _step(
    entry: Any, document: Document, number: int, problems: list[Problem]
) -> tuple[Step | None, Mapping[str, Any]]:
    """As ``checked``."""
    place: Place = ("steps", number)
    where = document.told(place)
    if not isinstance(entry, dict) or len(entry) != 1:
        problems.append(
            (where, f"a step is one verb with its fields, such as - search: {{a: ..., b: ...}}; given {entry}")
        )
        return None, {}
    ((verb, fields),) = entry.items()
    if verb not in STEPS:
        problems.append((where, f"there is no verb {verb!r}; nearest: {', '.join(nearest(verb, STEPS))}"))
        return None, {}
    if not isinstance(fields, dict):
        problems.append((where, f"{verb}: its fields are missing; it takes {', '.join(STEPS[verb].model_fields)}"))
        return None, {}
    return checked(STEPS[verb], fields, document, (*place, verb), problems)
