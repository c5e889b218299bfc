"""The recipes that come with Suture: templates to begin with, and presets to run as they are."""

import re
from importlib.resources import files
from pathlib import Path

from suture.errors import RecipeError, nearest
from suture.runs import write_text
from suture.spec.names import PRESETS, TEMPLATES

SHIPPED = (*TEMPLATES, *PRESETS)


def find_recipe(name: Path) -> Path:
    """The file of this name, or, where there is none, the recipe that comes with Suture."""
    if str(name) not in SHIPPED or name.exists():
        return name
    return Path(str(files("suture.recipes") / "shipped" / f"{name}.yaml"))


def template(name: str) -> str:
    """The text of a recipe that comes with Suture, comments and all. Raises RecipeError."""
    if name not in SHIPPED:
        raise RecipeError(
            f"there is no template {name!r}",
            expected=f"one of {', '.join(SHIPPED)}",
            instead=f"suture init {nearest(name, SHIPPED, 1)[0]}",
        )
    return (files("suture.recipes") / "shipped" / f"{name}.yaml").read_text(encoding="utf-8")


def described(name: str) -> str:
    """The first sentence of a template's comment."""
    lines = (line.removeprefix("#").strip() for line in template(name).splitlines())
    text = " ".join(line for line in iter(lines.__next__, "") if line)
    return re.split(r"(?<=[.?!])\s", text)[0].rstrip(".")


def write_template(name: str, path: Path) -> Path:
    """Begin a recipe in a file that is not there yet. Raises RecipeError."""
    text = template(name)
    if path.exists():
        raise RecipeError(
            f"{path} is there already", expected="a file that is not", instead=f"suture init {name} --out mine.yaml"
        )
    try:
        write_text(path, text)
    except OSError as error:
        raise RecipeError(
            f"{path} cannot be written: {error.strerror or error}",
            expected="a folder that is there",
            instead=f"suture init {name} --out {path.name}",
        ) from error
    return path
