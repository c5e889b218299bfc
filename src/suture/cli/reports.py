"""The report of a classifier as a table for people."""

from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from suture.errors import listed

MOST, WORST = 30, 15
COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
    "average_precision": "AP",
}
MISTAKES = 3


def report_parts(report: dict[str, Any]) -> list[RenderableType]:
    """What ``summary`` keeps of a report: intervals, classes (of more than 30 the 15 worst by F1), calibration."""
    return [*_intervals(report), _classes(report), *_notes(report)]


def _intervals(report: dict[str, Any]) -> list[Text]:
    told = {"accuracy": report["accuracy"], "macro_f1": report["macro"]["f1"], "macro_auc": report["macro"]["auc"]}
    names = {"accuracy": "accuracy", "macro_f1": "macro F1", "macro_auc": "macro AUC"}
    parts = []
    for key, value in told.items():
        if interval := report["intervals"][key]:
            parts.append(f"{names[key]} {value:.4f} ({interval['low']:.4f} to {interval['high']:.4f})")
        elif value is not None:
            parts.append(f"{names[key]} {value:.4f}")
    more = {"kappa": report["kappa"], "MCC": report["mcc"]}
    parts += [f"{name} {value:.4f}" for name, value in more.items() if value is not None]
    return [Text(f"{', '.join(parts)}; in brackets 95% intervals")]


def _classes(report: dict[str, Any]) -> Table:
    every = report["per_class"]
    shown = every
    if len(every) > MOST:
        shown = sorted((one for one in every if one["support"]), key=lambda one: one["f1"])[:WORST]
    title = f"the {len(shown)} worst of {len(every)} classes, by F1" if len(shown) < len(every) else None
    table = Table(title=title, title_justify="left")
    table.add_column("class", overflow="fold")
    table.add_column("images", justify="right")
    for name in COLUMNS.values():
        table.add_column(name, justify="right")
    for one in shown:
        table.add_row(Text(one["name"]), f"{one['support']:,}", *_row(one))
    table.add_section()
    table.add_row("macro", "", *_row(report["macro"]), style="bold")
    table.add_row("weighted", f"{report['n']:,}", *_row(report["weighted"]))
    table.add_row("micro", "", *_row(report["micro"]))
    return table


def _row(told: dict[str, Any]) -> list[str]:
    return ["–" if told[key] is None else f"{told[key]:.3f}" for key in COLUMNS]


def _notes(report: dict[str, Any]) -> list[Text]:
    told = report["calibration"]
    lines = [f"calibration: ECE {told['ece']:.4f}, Brier {told['brier']:.4f}, NLL {told['nll']:.4f}"]
    if after := report["calibrated"]:
        lines[0] += (
            f"; with temperature {report['temperature']:.3f}, fitted on validation: ECE {after['ece']:.4f}, "
            f"Brier {after['brier']:.4f}, NLL {after['nll']:.4f}"
        )
    if report["absent"]:
        lines.append(f"no images of {listed(report['absent'])}: left out of the means")
    if report["macro"]["auc"] is None:
        lines.append("all images are of one class: no AUC")
    if report["never_predicted"]:
        lines.append(f"never predicted: {listed(report['never_predicted'])}")
    if report["worst"]:
        worst = (
            f"{one['name']} ({one['truth']}, taken for {one['answer']} with {one['confidence']:.1%})"
            for one in report["worst"][:MISTAKES]
        )
        lines.append(f"surest mistakes: {', '.join(worst)}")
    return [Text(line) for line in lines]
