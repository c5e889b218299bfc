"""Pictures of what a network looked at: its maps as colour over the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from suture.reporting.figures import ACCENT, INK, write_figure

Array = np.ndarray[Any, np.dtype[np.float64]]
COLOURS, STRONGEST, GREY, UNSEEN = "inferno", 0.72, 0.6, 0.3
TILE, LARGE, GAP, CAPTION, BETWEEN, MARGIN, HEADER = 1.4, 2.6, 0.06, 0.26, 0.35, 0.15, 1.0
RIGHT, WRONG = "answered right", "answered wrong"
ROWS = 40
FAINT = "#5b6473"


@dataclass(frozen=True, eq=False)
class Shown:
    """One image (H, W, 3) in [0, 1], and maps (H, W) in [0, 1] by what made them, NaN where it saw nothing.

    ``truth`` is None where nobody knows it. ``target`` is the class that is explained, ``confidence`` the probability
    of the ``answer``.
    """

    image: Array
    maps: Mapping[str, Array]
    answer: str
    confidence: float
    target: str
    truth: str | None = None

    @property
    def is_wrong(self) -> bool:
        return self.truth is not None and self.truth != self.answer

    @property
    def caption(self) -> str:
        known = f"{self.truth} → " if self.truth is not None else ""
        asked = f", shown: {self.target}" if self.target != self.answer else ""
        return f"{known}{self.answer} {self.confidence:.0%}{asked}"


def blend(image: Array, heat: Array) -> Array:
    """``heat`` over ``image`` as (H, W, 3): the stronger, the less shows through; what was not seen is dark."""
    level = np.clip(np.nan_to_num(heat), 0, 1)
    colour = matplotlib.colormaps[COLOURS](level)[..., :3]
    alpha = STRONGEST * np.sqrt(level)[..., None]
    grey = GREY * image.mean(2, keepdims=True) + (1 - GREY) * image
    return np.where(np.isnan(heat)[..., None], UNSEEN * image, (1 - alpha) * grey + alpha * colour)


def gallery(shown: Sequence[Shown], path: Path, *, title: str, note: str = "") -> None:
    """All images in rows: right answers on the left, wrong ones on the right; without labels in two columns.

    A row is the image, an overlay of each branch and, of several branches, the combined one. ``note`` is a line below
    the title. Of more than 40 rows the first 40 are shown, and told.
    """
    blocks = _blocks(shown)
    if (shortened := [(name, some[:ROWS]) for name, some in blocks]) != blocks:
        note = f"The first {sum(len(some) for _, some in shortened)} of {len(shown)}. {note}"
        blocks = shortened
    rows, columns = max(len(some) for _, some in blocks), 1 + len(shown[0].maps)
    across = len(blocks) * columns * TILE + (len(blocks) - 1) * BETWEEN
    header = HEADER if blocks[0][0] else HEADER - 0.25
    width, height = max(across + 2 * MARGIN, 6.2), header + rows * (TILE + CAPTION) + MARGIN
    figure = Figure(figsize=(width, height))
    figure.text(
        MARGIN / width,
        1 - 0.12 / height,
        _short(title, round(width * 9.5)),
        color=INK,
        fontsize=11,
        weight="bold",
        va="top",
    )
    figure.text(MARGIN / width, 1 - 0.36 / height, note, color=FAINT, fontsize=7.5, va="top")
    for number, (name, some) in enumerate(blocks):
        left = MARGIN + number * (columns * TILE + BETWEEN)
        colour = ACCENT if name == WRONG else INK
        figure.text(left / width, 1 - (header - 0.22) / height, name, color=colour, fontsize=9.5, weight="bold")
        _block(figure, some, left, header, TILE)
    write_figure(figure, path)


def strip(shown: Shown, path: Path) -> None:
    """One image in one row."""
    figure = Figure(figsize=((1 + len(shown.maps)) * LARGE + 2 * MARGIN, LARGE + CAPTION + 0.3))
    _block(figure, [shown], MARGIN, 0.3, LARGE)
    write_figure(figure, path)


def _blocks(shown: Sequence[Shown]) -> list[tuple[str, Sequence[Shown]]]:
    if any(one.truth is not None for one in shown):
        sides = [(RIGHT, [one for one in shown if not one.is_wrong]), (WRONG, [one for one in shown if one.is_wrong])]
        return [(name, some) for name, some in sides if some]
    half = -(-len(shown) // 2) if len(shown) > 3 else len(shown)
    return [("", some) for some in (shown[:half], shown[half:]) if some]


def _block(figure: Figure, some: Sequence[Shown], left: float, top: float, tile: float) -> None:
    """Rows of pictures with their captions; places and sizes in inches, from the upper left corner."""
    width, height = figure.get_size_inches()
    side = tile - GAP
    for row, one in enumerate(some):
        high = height - top - row * (tile + CAPTION) - side
        pictures = {"": one.image} | {name: blend(one.image, heat) for name, heat in one.maps.items()}
        for column, (name, picture) in enumerate(pictures.items()):
            place = ((left + column * tile) / width, high / height, side / width, side / height)
            axes = figure.add_axes(place)
            axes.imshow(np.clip(picture, 0, 1), interpolation="nearest")
            axes.axis("off")
            if row == 0:
                axes.set_title(_short(name, round(tile * 12)), fontsize=7, color=FAINT, pad=2.5)
        colour = ACCENT if one.is_wrong else INK
        figure.text(left / width, (high - 0.05) / height, one.caption, fontsize=8, color=colour, va="top")


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
