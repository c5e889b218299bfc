"""How data are loaded, and where they lie."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """``size``: pixels to decode image files to; ``skip_bad``: leave out files that cannot be read."""

    size: int = 224
    skip_bad: bool = False
    tell: Callable[[str], None] = print


def root(where: str) -> Path:
    """The folder of data sets: ``where``, else SUTURE_DATA, else one in the user's cache."""
    return Path(where or os.environ.get("SUTURE_DATA") or Path.home() / ".cache" / "suture" / "data")
