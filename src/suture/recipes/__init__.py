"""Where all rooms meet: recipes and the verbs they are made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.recipes.build import load_yaml_config, load_yaml_recipe

__all__ = ["load_yaml_config", "load_yaml_recipe"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"suture.recipes has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module("suture.recipes.build"), name)
