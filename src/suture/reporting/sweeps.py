"""The trials of a sweep as pictures: accuracy over depth and over rank."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, PercentFormatter

from suture.reporting.figures import INK, write_figure
from suture.reporting.trials import Spread, Trial, over_seeds, spelled_value, varies

# Okabe & Ito's colours for all kinds of sight, without yellow, which is lost on white, and with a violet instead.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#6a3d9a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LEVEL = "#6b7280"
DASH = (4.0, 2.0)
BELOW = 8
WIDE = 70


def accuracy_over_depth(
    result: Mapping[str, Any], places: Sequence[str], path: Path, *, unranked: str = "full"
) -> None:
    """Accuracy over where the networks are joined, ``places`` from left to right (as in arXiv 2110.14633).

    A line for each combination of all else that varies, the mean over seeds with the standard deviation; dashed, the
    direct map; level, the last network by itself. ``unranked`` is what a map without a given rank is called.
    """
    figure, axes, lines = _drawn(result, "at", {place: float(number) for number, place in enumerate(places)}, unranked)
    labels = [spelled_value("at", place) for place in places]
    slanted = sum(map(len, labels)) > WIDE
    turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(places)), labels, **turned)
    first, *_, last = (told["source"] for told in result["parents"].values())
    axes.set(title="Accuracy over depth", xlabel=f"layer where {first} goes over into {last}")
    _finish(figure, axes, lines, result, path)


def accuracy_over_rank(result: Mapping[str, Any], path: Path, *, unranked: str = "full") -> None:
    """Accuracy over the rank of the map, on a log2 axis, with lines as in ``accuracy_over_depth``.

    Maps without a given rank stand at the right end.
    """
    ranks = sorted({trial["rank"] for trial in result["trials"] if trial["rank"] is not None})
    where = {rank: float(rank) for rank in ranks}
    if any(trial["rank"] is None for trial in result["trials"]):
        where[None] = 2.0 * ranks[-1]
    figure, axes, lines = _drawn(result, "rank", where, unranked)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(where.values()), [unranked if rank is None else str(rank) for rank in where])
    axes.set(title="Accuracy over rank", xlabel="rank of the map")
    _finish(figure, axes, lines, result, path)


def _drawn(
    result: Mapping[str, Any], key: str, where: Mapping[Any, float], unranked: str
) -> tuple[Figure, Axes, list[Line2D]]:
    """A figure with its lines, and what stands for them in a legend; ``where`` has the places of ``key``."""
    others = [other for other in varies(result["trials"], result["over"]) if other != key]
    figure = Figure(figsize=(max(7.0, 0.6 * len(where) + 2.5), 5), layout="constrained")
    axes = figure.subplots()
    lines: list[Line2D] = []
    direct: list[dict[float, float]] = []
    for group, colour, marker in zip(
        over_seeds(result["trials"], others), cycle(COLOURS), cycle(MARKERS), strict=False
    ):
        points = _points(group, key, where, "after")
        errors = [spread.sd or 0.0 for spread in points.values()]
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5.5, "linewidth": 1.8}
        axes.errorbar(
            list(points),
            [spread.mean for spread in points.values()],
            yerr=errors if any(spread.sd is not None for spread in points.values()) else None,
            capsize=3,
            elinewidth=1.2,
            **style,
        )
        lines.append(Line2D([], [], label=_label(group[0], others, unranked), **style))
        direct.append({x: round(spread.mean, 6) for x, spread in _points(group, key, where, "direct").items()})
    return figure, axes, lines + _direct(axes, direct, [str(line.get_color()) for line in lines])


def _points(group: Iterable[Trial], key: str, where: Mapping[Any, float], which: str) -> dict[float, Spread]:
    """Accuracy by place, from left to right, where it is known."""
    found: dict[float, list[float | None]] = {}
    for trial in group:
        found.setdefault(where[trial[key]], []).append(trial["accuracy"].get(which))
    return {x: spread for x in sorted(found) if (spread := Spread.of(found[x]))}


def _direct(axes: Axes, direct: Sequence[Mapping[float, float]], colours: Sequence[str]) -> list[Line2D]:
    """The direct maps, dashed: a single line where all groups agree, else dashes of each in its group's colour.

    Of groups with the same line the dashes take turns.
    """
    values: dict[float, set[float]] = {}
    for points in direct:
        for x, value in points.items():
            values.setdefault(x, set()).add(value)
    if not values:
        return []
    if all(len(same) == 1 for same in values.values()):
        direct, colours = [{x: values[x].pop() for x in sorted(values)}], [INK]
    for number, (points, colour) in enumerate(zip(direct, colours, strict=True)):
        turn, turns = direct[:number].count(points), direct.count(points)
        dashes = (-turn * sum(DASH), (DASH[0], turns * sum(DASH) - DASH[0]))
        axes.plot(list(points), list(points.values()), color=colour, linewidth=1.5, linestyle=dashes)
    return [Line2D([], [], color=INK, linewidth=1.5, linestyle=(0, DASH), label="direct map, untrained")]


def _label(trial: Trial, keys: Iterable[str], unranked: str) -> str:
    told = []
    for key in keys:
        value = unranked if key == "rank" and trial[key] is None else spelled_value(key, trial[key])
        told.append(f"{key} {value}")
    return ", ".join(told) or "after training"


def _finish(figure: Figure, axes: Axes, lines: list[Line2D], result: Mapping[str, Any], path: Path) -> None:
    """The last network's own accuracy, the axes, and the legend: below, or beside where it is long."""
    own = list(result["parents"].values())[-1]
    if own["accuracy"] is not None:
        level: dict[str, Any] = {"color": LEVEL, "linewidth": 1.5, "linestyle": ":"}
        axes.axhline(own["accuracy"], **level)
        lines = [*lines, Line2D([], [], label=f"{own['source']} by itself", **level)]
    axes.set(ylabel=f"accuracy on {result['n']:,} {result['split']} images")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    beside = len(lines) > BELOW + 2
    if beside:
        figure.set_size_inches(figure.get_figwidth() + 3, max(5, 0.19 * len(lines) + 0.5))
    columns = 1 if beside or max(len(str(line.get_label())) for line in lines) > 36 else 2
    style: dict[str, Any] = {"ncols": columns, "fontsize": "small", "frameon": False}
    figure.legend(handles=lines, loc="outside right upper" if beside else "outside lower center", **style)
    write_figure(figure, path)
