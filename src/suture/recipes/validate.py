"""Whether a recipe would run, as far as that can be known without data and without weights being fetched."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from suture.recipes.checks import Built, check_step
from suture.recipes.desk import Desk
from suture.recipes.document import Document, Problem
from suture.recipes.read import Reading, find_recipe, read_text, refused, survey
from suture.spec.recipe import Recipe


@dataclass(frozen=True)
class Validated:
    """What a recipe would do, step by step, and ``notes`` on what of it does nothing or could not be looked at."""

    name: str
    recipe: Recipe
    steps: tuple[Built, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"steps": [step.as_dict() for step in self.steps], "notes": list(self.notes)}

    def __str__(self) -> str:
        return ", then ".join(map(_told, self.steps))


def validate(path: Path, settings: Iterable[str] = (), *, trust_code: bool = False) -> Validated:
    """Read a recipe and build, without training, what each of its steps says.

    Weight files on this machine are read; published weights are not, and what depends on the data (their classes,
    their splits) is not known. Raises RecipeError with everything that is wrong, each at its line.
    """
    path = find_recipe(path)
    reading = survey(read_text(path), path.name, settings=settings, folder=path.parent, trust_code=trust_code)
    return checked(reading, path.name, trust_code=trust_code)


def checked(reading: Reading, name: str, *, trust_code: bool = False) -> Validated:
    """The same of a recipe that was read. Raises RecipeError."""
    recipe = reading.recipe
    numbers = [number for number, step in enumerate(recipe.steps) if step]
    problems = [*reading.problems, *_device(recipe, reading.document)]
    built, notes = check(
        recipe, numbers, reading.document, name, problems, partial=reading.partial, trust_code=trust_code
    )
    return Validated(name, recipe, built, (*reading.notes, *notes))


def check(
    recipe: Recipe,
    numbers: Sequence[int],
    document: Document,
    name: str,
    problems: Iterable[Problem] = (),
    *,
    partial: Container[int] = (),
    trust_code: bool = False,
) -> tuple[tuple[Built, ...], tuple[str, ...]]:
    """Build some steps, counted from 0; what they came to, and what could not be looked at.

    Of ``partial`` steps, of which something is left out, the rest is looked at and nothing built. Raises RecipeError
    with all that is wrong, the ``problems`` that are known before among it.
    """
    desk = Desk(recipe, trust_code)
    built = tuple(check_step(desk, number, document, partial=number in partial) for number in numbers)
    wrong = [*problems, *_placed(desk.problems, document, len(recipe.steps))]
    if wrong:
        raise refused(name, wrong)
    notes = sorted(_placed(desk.notes, document, len(recipe.steps)))
    return built, tuple(f"{where}: {said}" for (_, where), said in notes)


def _device(recipe: Recipe, document: Document) -> list[Problem]:
    """Whether there are such devices; whether this machine has one does not matter."""
    try:
        torch.device("cpu" if recipe.device == "auto" else recipe.device)
    except RuntimeError:
        known = "auto, cpu, cuda:0 or mps"
        return [(document.told(("device",)), f"device: there is no device {recipe.device!r}; expected {known}")]
    return []


def _placed(told: Iterable[tuple[Any, str]], document: Document, steps: int) -> list[Problem]:
    """With the line of each, and what it is that is wrong there: the field, and of which step where there are more."""
    found = []
    for place, text in told:
        _, number, verb, *inner = place
        name = ".".join(map(str, inner)) or verb
        found.append((document.told(place), f"step {number + 1}, {name}: {text}" if steps > 1 else f"{name}: {text}"))
    return found


def _told(step: Built) -> str:
    size = "" if step.parameters is None else f" ({step.parameters:,} parameters)"
    return f"{step.verb} {' and '.join(step.networks)}{size}"
