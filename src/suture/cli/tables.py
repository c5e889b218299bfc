"""Results as tables for people."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from suture.reporting.card import lines, place, sentence
from suture.spec.plan import Plan


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def train_table(result: dict[str, Any]) -> Group:
    line = (
        f"{result['network']} on {result['data']}: {share(result['accuracy'])} of {result['split']} right, "
        f"cross-entropy {nats(result['cross_entropy'])}, after {result['epochs']} epochs"
    )
    return Group(Text(line))


def eval_table(result: dict[str, Any]) -> Table:
    table = Table(title=f"{result['data']}, {result['split']}, {result['n']} images", title_justify="left")
    table.add_column("network", overflow="fold")
    for column in ("accuracy", "cross-entropy"):
        table.add_column(column, justify="right")
    table.add_row(Text(result["network"]), share(result["accuracy"]), nats(result["cross_entropy"]))
    return table


def stitch_table(result: dict[str, Any]) -> Table:
    plan = Plan.from_dict(result["plan"])
    title = f"{place(plan.at)}, {result['split']}, {result['n']} images"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column("network", overflow="fold")
    for column in ("accuracy", "cross-entropy", "agrees with hybrid"):
        table.add_column(column, justify="right")
    for (side, known), part in zip(result["parents"].items(), plan.parts, strict=True):
        table.add_row(
            f"parent {side.upper()}",
            Text(part.origin),
            share(known["accuracy"]),
            nats(known["cross_entropy"]),
            share(result["agreement"][side]),
        )
    accuracy, entropy = result["accuracy"], result["cross_entropy"]
    table.add_row("hybrid", "before training", share(accuracy["before"]), nats(entropy["before"]), "")
    table.add_row("hybrid", "after training", share(accuracy["after"]), nats(entropy["after"]), "", style="bold")
    return table


def search_table(result: dict[str, Any]) -> Group:
    table = Table(title=f"{result['data']}, test, {result['n']} images", title_justify="left")
    table.add_column("")
    table.add_column("network or cut", overflow="fold")
    for column in ("accuracy", "cross-entropy", "parameters", "MACs"):
        table.add_column(column, justify="right")
    for row in lines(result):
        table.add_row(
            row["what"],
            Text(row["name"]),
            share(row["accuracy"]),
            nats(row["cross_entropy"]),
            f"{row['parameters']:,}",
            f"{row['macs'] / 1e6:.1f} M",
            style="bold" if row["what"] == "best hybrid" else "",
        )
    return Group(table, Text(sentence(result)), *(Text(note) for note in result["notes"]))
