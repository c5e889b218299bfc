"""``macros: {attention: se}``: what "@attention" stands for anywhere else in a recipe."""

import re
from typing import Any

from suture.errors import listed, nearest
from suture.recipes.document import MOST, Document, Place, Problem

_CALL = re.compile(r"@(\w[\w-]*)")


def expanded(document: Document, problems: list[Problem]) -> Document:
    """The document with every "@name" replaced, without its macros; macros may stand in macros."""
    macros = document.data.get("macros")
    if macros is None or isinstance(macros, dict):
        walk = _Walk(document, macros or {}, problems)
        data = {key: walk.value(value, (key,), ()) for key, value in document.data.items() if key != "macros"}
        return Document(data, document.where)
    problems.append((document.told(("macros",)), f"macros: {macros!r} are no names with values"))
    return Document({key: value for key, value in document.data.items() if key != "macros"}, document.where)


class _Walk:
    def __init__(self, document: Document, macros: dict[str, Any], problems: list[Problem]) -> None:
        self.document, self.macros, self.problems = document, macros, problems
        self.count = 0

    def value(self, value: Any, place: Place, used: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {key: self.value(inner, (*place, key), used) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, (*place, number), used) for number, inner in enumerate(value)]
        found = _CALL.fullmatch(value) if isinstance(value, str) else None
        return self.called(found[1], place, used) if found else value

    def called(self, name: str, place: Place, used: tuple[str, ...]) -> Any:
        self.count += 1
        if name in self.macros and name not in used and self.count <= MOST:
            return self.value(self.macros[name], place, (*used, name))
        told = ".".join(map(str, place))
        if name in used:
            self.wrong(place, f"{told}: the macro {name} stands for itself")
        elif self.count > MOST:
            self.wrong(place, f"{told}: macros stand for more than {MOST} macros")
        else:
            near = f"nearest: {listed(nearest(name, self.macros))}" if self.macros else "there are none (macros: ...)"
            self.wrong(place, f"{told}: there is no macro {name!r}; {near}")
        return f"@{name}"

    def wrong(self, place: Place, text: str) -> None:
        if self.count <= MOST + 1:
            self.problems.append((self.document.told(place), text))
