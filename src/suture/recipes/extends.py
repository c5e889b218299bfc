"""``extends: NAME``: a recipe on top of another one, a file or one that comes with Suture."""

from pathlib import Path

from suture.errors import RecipeError, nearest
from suture.recipes.document import Document, Place, Where, read_mapping
from suture.recipes.templates import find_recipe
from suture.spec.names import PRESETS, TEMPLATES

DEEPEST = 10


def extended(document: Document, name: str, folder: Path, depth: int = 0) -> Document:
    """The document on top of what it extends: mappings are merged, everything else is replaced.

    What stands in the other file is told by its line there. Raises RecipeError.
    """
    base = document.data.get("extends")
    if base is None:
        return document
    line, told = document.told(("extends",))
    own = {key: value for key, value in document.data.items() if key != "extends"}
    if not isinstance(base, str) or depth == DEEPEST:
        given = f"more than {DEEPEST} recipes, one on top of the other" if depth == DEEPEST else repr(base)
        raise RecipeError(
            f"{name}, {told}: extends: {given}",
            expected="a file, or a name of suture ls recipes",
            instead="extends: hybrid",
        )
    path = _file(base, folder)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        near = nearest(base, (*TEMPLATES, *PRESETS), 1)[0]
        raise RecipeError(
            f"{name}, {told}: {base} cannot be read: {getattr(error, 'strerror', None) or error}",
            expected=f"a file beside {name}, or one of {', '.join((*TEMPLATES, *PRESETS))}",
            instead=f"extends: {near}",
        ) from error
    below = extended(read_mapping(text, path.name), path.name, path.parent, depth + 1)
    where: dict[Place, Where] = {
        place: (line, said if "," in said else f"{path.name}, {said}") for place, (_, said) in below.where.items()
    }
    return Document(_merged(below.data, own), where | dict(document.where))


def _file(base: str, folder: Path) -> Path:
    named = find_recipe(Path(base))
    if named != Path(base):
        return named
    path = folder / base
    return path if path.suffix else path.with_suffix(".yaml")


def _merged(below: object, above: object) -> object:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}
    return above
