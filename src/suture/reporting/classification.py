"""Figures of one classifier's report: confusion, ROC and precision-recall curves, reliability."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from suture.reporting.figures import ACCENT, INK, OTHER, write_figure
from suture.reporting.sweeps import COLOURS

Told = Mapping[str, Any]
WRITTEN, NAMED = 20, 60
LEGEND = 12
LONGEST = 24
FAINT = "#9aa3b2"
EMPTY = "#d8d8d8"


def confusion(report: Told, path: Path) -> None:
    """Counts of images as a grid, truth in rows; the colour is the share of the row, grey of a class without images.

    Counts are written up to 20 classes, names up to 60.
    """
    counts = np.array(report["confusion"])
    names = [short(one["name"]) for one in report["per_class"]]
    k, support = len(counts), counts.sum(1, keepdims=True)
    shares = np.where(support > 0, counts / np.maximum(support, 1), np.nan)
    side = min(max(0.55 * k, 2.6), 14 if k <= NAMED else 9)
    room = 0.075 * max(map(len, names)) if k <= NAMED else 0.2
    figure = Figure(figsize=(side + room + 2.0, side + room + 1.0), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(EMPTY)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if k <= NAMED:
        axes.set_xticks(range(k), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(k), names)
    if k <= WRITTEN:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.55 else INK if count else FAINT
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    axes.set(title=f"Confusion, {report['n']:,} images", xlabel="answer", ylabel="truth")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, format=PercentFormatter(1), label="share of the images of the class", shrink=0.8)
    write_figure(figure, path)


def roc(report: Told, path: Path) -> None:
    """True over false positives, each class against the rest; the dashed diagonal is chance."""
    figure, axes = _square("ROC curves, one class against the rest", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1.2)
    _curves(axes, report, report["roc"], "auc", "AUC")
    _legend(figure, axes)
    write_figure(figure, path)


def precision_recall(report: Told, path: Path) -> None:
    """Precision over recall, each class against the rest, in steps: nothing lies between the points."""
    figure, axes = _square("Precision and recall, one class against the rest", "recall", "precision")
    _curves(axes, report, report["precision_recall"], "average_precision", "AP", drawstyle="steps-pre")
    _legend(figure, axes)
    write_figure(figure, path)


def reliability(report: Told, path: Path) -> None:
    """Accuracy over confidence in 15 bins, as it is and with the temperature; below, how many images are in each.

    The more images are in a bin, the larger its mark: the height of a small one is little more than chance.
    """
    figure = Figure(figsize=(5.6, 6.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1.2, label="as sure as right")
    shown = [(report["calibration"], "as it is", OTHER, "o")]
    if report["calibrated"]:
        shown.append((report["calibrated"], f"divided by T = {report['temperature']:.2f}", ACCENT, "s"))
    for told, label, colour, marker in shown:
        full = [one for one in told["bins"] if one["count"]]
        x, y = ([one[side] for one in full] for side in ("confidence", "accuracy"))
        above.plot(x, y, color=colour, linewidth=1.2, alpha=0.6)
        sizes = [12 + 100 * one["count"] / report["n"] for one in full]
        text = f"{label}: ECE {told['ece']:.1%}"
        above.scatter(x, y, sizes, color=colour, marker=marker, label=text, zorder=3, clip_on=False)
        counts, edges = [one["count"] for one in told["bins"]], [one["low"] for one in told["bins"]] + [1]
        below.stairs(
            counts, edges, color=colour, linewidth=1.6, fill=colour == OTHER, alpha=0.55 if colour == OTHER else 1
        )
    above.set(title=f"Reliability, {report['n']:,} images", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    below.set(xlabel="confidence", ylabel="images")
    below.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    above.yaxis.set_major_formatter(PercentFormatter(1))
    below.xaxis.set_major_formatter(PercentFormatter(1))
    legend = figure.legend(fontsize="small", frameon=False, loc="outside lower center")
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30])
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    write_figure(figure, path)


FIGURES = {"confusion": confusion, "roc": roc, "pr": precision_recall, "reliability": reliability}


def _square(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _curves(axes: Axes, report: Told, curves: Told, area: str, label: str, **style: Any) -> None:
    """Classes in colours with names while they are few, else all alike and faint; the means above them."""
    known = [
        (short(scores["name"]), scores[area], curve)
        for scores, curve in zip(report["per_class"], curves["classes"], strict=True)
        if curve
    ]
    few = len(known) <= LEGEND
    looks = cycle([(colour, line) for line in ("-", (0, (1, 1))) for colour in COLOURS])
    for (name, value, curve), (colour, line) in zip(known, looks, strict=False):
        look = {"color": colour, "linestyle": line, "linewidth": 1.3} if few else {"color": FAINT, "linewidth": 0.6}
        axes.plot(curve["x"], curve["y"], label=f"{name}: {label} {value:.3f}" if few else None, **look, **style)
    if not few:
        axes.plot([], [], color=FAINT, linewidth=0.8, label=f"{len(known)} classes")
    for which, colour, line in (("micro", ACCENT, "-"), ("macro", INK, (0, (3, 1)))):
        if curve := curves[which]:
            text = f"{which}: {label} {report[which][area]:.3f}"
            axes.plot(curve["x"], curve["y"], color=colour, linestyle=line, linewidth=2.4, label=text, **style)
    if not known:
        axes.text(0.5, 0.5, "one class only: no curves", ha="center", color=INK, backgroundcolor="white")


def _legend(figure: Figure, axes: Axes) -> None:
    """The means, which are drawn last and the thickest, come first."""
    handles = [handle for handle in axes.get_lines() if not str(handle.get_label()).startswith("_")]
    if handles:
        handles.sort(key=lambda handle: -handle.get_linewidth())
        figure.legend(handles=handles, loc="outside right upper", fontsize="small", frameon=False)


def short(name: str) -> str:
    """A name that leaves room for the figure; a dollar sign is one, not mathematics."""
    cut = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
    return cut.replace("$", r"\$")
