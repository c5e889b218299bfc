"""A drawing of a stitched network: what is used of each parent, and where they meet."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from suture.reporting.figures import ACCENT, INK, OTHER, write_figure

FADED = "#e3e5ea"
SEAM = "#e0a030"


def drawing(
    names: tuple[str, str], layers: tuple[Sequence[str], Sequence[str]], at: tuple[str, str], path: Path
) -> None:
    """Parent A above, parent B below; coloured blocks are in the hybrid, pale ones are not, the seam joins them."""
    count = max(len(row) for row in layers)
    figure = Figure(figsize=(max(8, 0.95 * count + 2.2), 3.3), layout="constrained")
    axes = figure.subplots()
    cut_a, cut_b = layers[0].index(at[0]), layers[1].index(at[1])
    _row(axes, layers[0], 1.0, OTHER, lambda place: place <= cut_a)
    _row(axes, layers[1], 0.0, ACCENT, lambda place: place > cut_b)
    for name, height in zip(names, (1.52, -0.42), strict=True):
        axes.text(-0.45, height, name, color=INK, fontsize=10, va="center", weight="bold")
    axes.add_patch(
        FancyArrowPatch((cut_a, 0.72), (cut_b + 0.5, 0.3), arrowstyle="-|>", mutation_scale=16, linewidth=3, color=SEAM)
    )
    middle = (cut_a + cut_b + 0.5) / 2
    axes.text(
        middle,
        0.51,
        "adapter",
        ha="center",
        va="center",
        fontsize=9,
        color=INK,
        bbox={"fc": "white", "ec": SEAM},
    )
    axes.text(len(layers[1]) - 0.15, 0.0, "classes", va="center", fontsize=9, color=INK)
    axes.set(xlim=(-0.6, count + 0.8), ylim=(-0.7, 1.8))
    axes.axis("off")
    write_figure(figure, path)


def _row(axes: Axes, layers: Sequence[str], height: float, colour: str, used: Callable[[int], bool]) -> None:
    for place, name in enumerate(layers):
        fill = colour if used(place) else FADED
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
        ink = "white" if used(place) else "#8a909c"
        axes.text(place, height, name[-12:], ha="center", va="center", fontsize=7.5, color=ink)
