"""A heatmap of how alike every layer of one network is to every layer of another."""

from textwrap import fill
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from suture.reporting.figures import ACCENT, INK
from suture.reporting.similarity import LEVEL, Told, best_matches, by_chance, measured, variant

ROOM = 0.35  # inches of a cell that a number fits in


def similarity_figure(told: Told, axes: Axes | None = None) -> Figure:
    """A grid of one measure, in ``axes`` where some are given: A upward and B to the right, from the input on.

    The more alike, the brighter: from 0 to 1 for a similarity, over its own range for a distance. The best match of
    each layer of A is framed; a pair without a value is grey; where permutations leave it open that chance gives as
    much, the number stands in brackets, or a cross in the cell.
    """
    rows, columns = told["layers_a"], told["layers_b"]
    cell = float(np.clip(12 / max(len(rows), len(columns)), 0.1, 0.5))
    size = min(9.0, 58 * cell)
    own = axes is None
    if axes is None:
        letters = 0.6 * size / 72
        beside, below = (letters * max(map(len, names)) for names in (rows, columns))
        width = max(cell * len(columns) + beside + 2.4, 6.0)
        whole = width, max(cell * len(rows), 1.4) + below + 2.2
        axes = Figure(figsize=whole, layout="compressed").subplots()
    figure = cast(Figure, axes.get_figure(root=True))
    low, high = _range(told)
    colours = "viridis" if told["higher_is_more_similar"] else "viridis_r"
    axes.set_facecolor("#d8d8d8")
    image = axes.imshow(_grid(told), cmap=colours, vmin=low, vmax=high, origin="lower", aspect="equal")
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=size)
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.set(xlabel="layers of B", ylabel="layers of A")
    letter = float(np.clip(figure.get_figwidth(), 9, 14))
    lines = "\n".join(fill(line, int(110 * figure.get_figwidth() / letter)) for line in _lines(told, cell))
    (figure.suptitle if own else axes.set_title)(lines, fontsize=letter)
    _write(axes, told, low, high, cell)
    line = float(np.clip(3.5 * cell, 0.9, 1.8))
    for row, column in enumerate(best_matches(told)):
        if column is not None:
            corner = column - 0.5, row - 0.5
            frame = Rectangle(corner, 1, 1, fill=False, edgecolor=ACCENT, linewidth=line, clip_on=False, zorder=3)
            axes.add_patch(frame)
    kind = "similarity" if told["higher_is_more_similar"] else "distance"
    figure.colorbar(image, ax=axes, label=kind, shrink=0.8, aspect=30, pad=0.02)
    return figure


def _lines(told: Told, cell: float) -> tuple[str, ...]:
    """The title."""
    networks = f"A {_short(told['origin_a'])} × B {_short(told['origin_b'])}"
    mark = "in brackets" if cell >= ROOM else "crossed"
    level = f"; {mark}: p of {LEVEL} or more" if told["permutations"] else ""
    return networks, f"{told['measure']}: {variant(told)}", f"framed: the best match of each layer of A{level}"


def _grid(told: Told) -> NDArray[np.float64]:
    return np.array([[np.nan if value is None else value for value in row] for row in told["values"]], dtype=float)


def _range(told: Told) -> tuple[float, float]:
    known = [value for row in told["values"] for value in row if value is not None]
    if told["higher_is_more_similar"]:
        return min([0.0, *known]), max([1.0, *known])
    low, high = min(known, default=0.0), max(known, default=1.0)
    return low, high if high > low else low + 1


def _write(axes: Axes, told: Told, low: float, high: float, cell: float) -> None:
    """Numbers where the cells have room for them, else crosses where chance may give as much."""
    crosses = []
    for (row, column), value in np.ndenumerate(_grid(told)):
        chance = by_chance(told, row, column)
        if not np.isfinite(value):
            continue
        level = (value - low) / (high - low)
        ink = INK if (level if told["higher_is_more_similar"] else 1 - level) > 0.6 else "white"
        if cell >= ROOM:
            text = measured(value, 2)
            text = f"({text})" if chance else text
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=min(8.0, 82 * cell / len(text)))
        elif chance:
            crosses.append((column, row, ink))
    for ink in {ink for *_, ink in crosses}:
        across, up = zip(*((column, row) for column, row, own in crosses if own == ink), strict=True)
        axes.scatter(across, up, marker="x", s=(30 * cell) ** 2, linewidths=5 * cell, color=ink)


def _short(text: str, most: int = 60) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"
