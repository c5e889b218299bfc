"""Pictures of results, as PNG files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from suture.runs import replacing

INK, ACCENT, OTHER = "#1d2433", "#c8402f", "#2c6e8f"
PICTURES = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Training loss (left) and accuracy on validation images (right) over epochs, one line a training."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for name, history in histories.items():
        epochs = [epoch["epoch"] for epoch in history]
        loss.plot(epochs, [epoch["loss"] for epoch in history], marker=".", label=name)
        if all("val_accuracy" in epoch for epoch in history):
            accuracy.plot(epochs, [epoch["val_accuracy"] for epoch in history], marker=".", label=name)
    loss.set(title="Training loss", xlabel="epoch", ylabel="loss")
    accuracy.set(title="Accuracy on validation images", xlabel="epoch")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    if len(histories) > 1:
        loss.legend(fontsize="small", frameon=False)
    write_figure(figure, path)


def heatmap(
    values: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    path: Path,
    *,
    title: str,
    row_title: str,
    column_title: str,
    marks: Mapping[tuple[int, int], str] | None = None,
) -> None:
    """Accuracies as a labelled grid, one row a cut of A, one column a cut of B; ``marks`` frames cells, with a letter.

    A pair that has no value (None) stays grey. Numbers, in per cent, are written in the cells while they are few.
    """
    grid = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float)
    size = (max(5.5, 0.72 * len(columns) + 2.6), max(3.6, 0.46 * len(rows) + 1.9))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("#d8d8d8")
    known = np.nan_to_num(grid)
    low, high = min(float(known.min()), 0), max(float(known.max()), 0.01)
    image = axes.imshow(grid, cmap="viridis", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(title=title, xlabel=column_title, ylabel=row_title)
    if grid.size <= 400:
        for (row, column), value in np.ndenumerate(grid):
            if np.isfinite(value):
                colour = "white" if (value - low) / (high - low) < 0.6 else INK
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    for (row, column), letter in (marks or {}).items():
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ACCENT, linewidth=2.2)
        axes.add_patch(frame)
        axes.text(column + 0.42, row - 0.4, letter, ha="right", va="top", color=ACCENT, fontsize=8, weight="bold")
    figure.colorbar(image, ax=axes, format=PercentFormatter(1), label="accuracy")
    write_figure(figure, path)


def bars(values: Mapping[str, float], path: Path, *, title: str, highlight: str) -> None:
    """Accuracies side by side, one of them in the accent colour."""
    figure = Figure(figsize=(7, 0.5 * len(values) + 1.4), layout="constrained")
    axes = figure.subplots()
    names = list(values)[::-1]
    colours = [ACCENT if name == highlight else OTHER for name in names]
    drawn = axes.barh(names, [values[name] for name in names], color=colours, height=0.62)
    axes.bar_label(drawn, [f"{values[name]:.1%}" for name in names], padding=4, color=INK)
    axes.set(title=title, xlim=(0, min(1.12, max(values.values()) * 1.18)))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


def write_figure(figure: Figure, path: Path) -> None:
    """As the kind of picture that ``path`` ends with, one of PICTURES; without a date, so the same bytes every time."""
    kind = path.suffix.lower()
    with replacing(path) as part:
        figure.savefig(part, dpi=140, format=kind[1:], metadata=PICTURES[kind])
