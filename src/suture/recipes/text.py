"""Recipes as YAML text."""

import io
from typing import Any

from ruamel.yaml import YAML


def resolved(data: dict[str, Any]) -> str:
    """A recipe as YAML text with every default written out."""
    buffer = io.StringIO()
    YAML(typ="safe", pure=True).dump(data, buffer)
    return buffer.getvalue()
