"""Options that several commands share: declared once, as the parameters of a function, and added to each."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., None])


def adding(*groups: Callable[..., dict[str, Any]], **defaults: Any) -> Callable[[Command], Command]:
    """Give a command that ends in ``**given`` the options of ``groups``, some with another default."""

    def extend(command: Command) -> Command:
        own = [p for p in signature(command).parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        shared = [p for group in groups for p in signature(group).parameters.values()]
        changed = [p.replace(default=defaults.get(p.name, p.default)) for p in shared]
        command.__signature__ = Signature([*own, *changed])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *changed)}
        return command

    return extend


def take(group: Callable[..., dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """What a group makes of its share of ``given``."""
    return group(**{name: given[name] for name in signature(group).parameters})
