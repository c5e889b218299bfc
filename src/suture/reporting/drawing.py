"""A drawing of a stitched network or a chain: what is used of each parent, and where they meet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from suture.reporting.figures import ACCENT, INK, OTHER, write_figure
from suture.spec.at import At

FADED = "#e3e5ea"
SEAM = "#e0a030"
MIDDLE = "#5d7f3f"
NAME: dict[str, Any] = {"color": INK, "fontsize": 10, "va": "center", "weight": "bold"}


def drawing(names: Sequence[str], layers: Sequence[Sequence[str]], at: At, path: Path) -> None:
    """One row a parent, from the first above to the last below.

    Coloured blocks are in the hybrid, pale ones are not, seams join them.
    """
    count, rows = max(len(row) for row in layers), len(names)
    figure = Figure(figsize=(max(8, 0.95 * count + 2.2), 1.6 * rows + 0.1), layout="constrained")
    axes = figure.subplots()
    starts = [-1, *(row.index(y) for row, (_, y) in zip(layers[1:], at, strict=True))]
    ends = [*(row.index(x) for row, (x, _) in zip(layers[:-1], at, strict=True)), count]
    colours = [OTHER, *[MIDDLE] * (rows - 2), ACCENT]
    for number, (row, start, end, colour) in enumerate(zip(layers, starts, ends, colours, strict=True)):
        _row(axes, row, rows - 1 - number, colour, range(start + 1, end + 1))
    for number, (end, start) in enumerate(zip(ends[:-1], starts[1:], strict=True), 1):
        _seam(axes, end, start, rows - 1 - number)
    for number, name in enumerate(names):
        beside = 0 < number < rows - 1
        height = rows - 1 - number + (0 if beside else 0.52 if number == 0 else -0.42)
        axes.text(len(layers[number]) - 0.45 if beside else -0.45, height, name, **NAME)
    axes.text(len(layers[-1]) - 0.15, 0.0, "classes", va="center", fontsize=9, color=INK)
    axes.set(xlim=(-0.6, count + (0.8 if rows == 2 else 2.4)), ylim=(-0.7, rows - 0.2))
    axes.axis("off")
    write_figure(figure, path)


def _seam(axes: Axes, end: int, start: int, height: float) -> None:
    """From a block of the row above, through the adapter, to before the block after ``start``."""
    axes.add_patch(
        FancyArrowPatch(
            (end, height + 0.72),
            (start + 0.5, height + 0.3),
            arrowstyle="-|>",
            mutation_scale=16,
            linewidth=3,
            color=SEAM,
        )
    )
    axes.text(
        (end + start + 0.5) / 2,
        height + 0.51,
        "adapter",
        ha="center",
        va="center",
        fontsize=9,
        color=INK,
        bbox={"fc": "white", "ec": SEAM},
    )


def _row(axes: Axes, layers: Sequence[str], height: float, colour: str, used: range) -> None:
    for place, name in enumerate(layers):
        fill = colour if place in used else FADED
        axes.add_patch(
            FancyBboxPatch(
                (place - 0.38, height - 0.2),
                0.76,
                0.4,
                boxstyle="round,pad=0.02",
                facecolor=fill,
                edgecolor="none",
            )
        )
        ink = "white" if place in used else "#8a909c"
        axes.text(place, height, name[-12:], ha="center", va="center", fontsize=7.5, color=ink)
