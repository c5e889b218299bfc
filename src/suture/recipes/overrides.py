"""``--set key=value``: values of a recipe changed from outside its file."""

from collections.abc import Iterable
from typing import Any

from suture.errors import RecipeError, nearest
from suture.recipes.document import Document, Place, read_document

FIRST = -1_000_000  # what is set is told before what stands in the file


def overridden(document: Document, settings: Iterable[str]) -> Document:
    """The document with ``a.b.0.c=VALUE`` put in place, one after the other; a value is YAML.

    Keys that are not there yet are made; whether a recipe knows them is checked with all the rest. Raises RecipeError
    for a setting that is none, and for a path through something that has nothing inside.
    """
    for number, setting in enumerate(settings):
        path, equals, value = setting.partition("=")
        names = [name.strip() for name in path.split(".")]
        if not equals or not all(names):
            raise RecipeError(
                f"--set {setting} sets nothing", expected="KEY=VALUE", instead="--set seed=1, or head.num_classes=10"
            )
        told = f"--set {setting}"
        inner = read_document(value, told)
        document = document.put(_place(document, names, told), inner.data, (FIRST + number, told))
    return document


def _place(document: Document, names: list[str], told: str) -> Place:
    place: Place = ()
    for number, name in enumerate(names):
        here = document.at(place)
        if isinstance(here, list):
            place = (*place, _index(here, name, names[:number], told))
        elif isinstance(here, dict) or here is None:
            known = [name] if here is None else list(here)
            if len(place) == 2 and place[0] == "steps" and name not in known:
                raise _unknown(told, ".".join(names[:number]), name, known)
            place = (*place, name)
        else:
            raise RecipeError(
                f"{told}: {'.'.join(names[:number])} is {here!r}, with nothing inside",
                expected="a path of keys, and of numbers in lists",
                instead=f"{'.'.join(names[:number])}={{{'.'.join(names[number:])}: ...}}",
            )
    return place


def _index(here: list[Any], name: str, before: list[str], told: str) -> int:
    if not name.isdecimal() or int(name) >= len(here):
        raise _unknown(told, ".".join(before), name, [str(number) for number in range(len(here))])
    return int(name)


def _unknown(told: str, outer: str, name: str, known: list[str]) -> RecipeError:
    near = nearest(name, known, 1)
    return RecipeError(
        f"{told}: there is no {name} in {outer}",
        expected=f"one of {', '.join(known)}" if known else "something in it",
        instead=f"{outer}.{near[0]}" if near else f"{outer}=[...]",
    )
