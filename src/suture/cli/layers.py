"""``suture layers``."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from suture.cli import options
from suture.cli.app import app
from suture.errors import listed

ROOMY = 100
BAR = 4, 20
LEVELS = 2
MEANING = {
    "fx": "which follows every value",
    "export": "which follows every value",
    "hooks": "which knows only the order of the modules",
}


@app.command(rich_help_panel="Look")
def layers(
    model: Annotated[str, typer.Argument(help="The network, as KIND:NAME\\[@WEIGHTS], or the folder of a run.")],
    fine: Annotated[bool, typer.Option("--fine", help="Every legal cut, not only those between blocks.")] = False,
    trust_code: options.Trust = False,
    json: options.Json = False,
) -> None:
    """Where a network can be cut: name, block, layout, shape, and how much of the cost lies before.

    Examples:

      suture layers zoo:tiny10-a

      suture layers torchvision:resnet18@none --fine --json

      suture layers runs/demo
    """
    from suture.recipes.layers import describe

    options.show(describe(options.network_source(model), fine=fine, trust_code=trust_code), table, json)


def table(result: dict[str, Any]) -> Group:
    return Group(*header(result), Cuts(result), *footer(result))


def header(result: dict[str, Any]) -> list[Text]:
    side = result["input_size"]
    lines = [
        Text(result["network"], style="bold"),
        Text(
            f"{result['parameters']:,} parameters ({result['trainable']:,} trainable, {result['frozen']:,} frozen), "
            f"{short(result['macs'])} MACs for an image of {side}×{side}"
        ),
        Text(f"traced by {result['tracer']}, {MEANING[result['tracer']]}"),
    ]
    if result["why"]:
        lines.append(Text(f"no better tracer held: {result['why']}"))
    if result["auxiliary"]:
        lines.append(Text(f"auxiliary heads, off wherever it is cut: {', '.join(result['auxiliary'])}"))
    idle = [name for name in result["unused"] if not name.startswith(tuple(f"{head}." for head in result["auxiliary"]))]
    if idle:
        lines.append(Text(f"parameters that never run, in no half: {listed(idle)}"))
    return lines


def footer(result: dict[str, Any]) -> list[Text]:
    name = result["cuts"][len(result["cuts"]) // 2]["name"]
    return [
        Text("Shares and bars are of what lies before the cut; █ is what the cut above does not have."),
        Text(
            f"To cut there: suture stitch {result['network']} B --at {name}:Y, which runs this network up to and with "
            f"{name}, an adapter, and what comes after the layer Y of B."
        ),
    ]


@dataclass(frozen=True)
class Row:
    """A cut, or where ``cut`` is None the heading over those inside the module ``name``."""

    depth: int
    name: str
    module: str
    cut: dict[str, Any] | None = None


def outline(result: dict[str, Any]) -> list[Row]:
    """The cuts under headings: the outer two of the modules that hold two cuts or more.

    A module that holds just what another inside it holds is no heading.
    """
    modules = result["modules"]
    around = {cut["name"]: [name for name in modules if cut["name"].startswith(f"{name}.")] for cut in result["cuts"]}
    held = Counter(name for names in around.values() for name in names)
    same = {
        out for names in around.values() for out in names for name in names if out < name and held[out] == held[name]
    }
    rows: list[Row] = []
    above: list[str] = []
    for cut in result["cuts"]:
        inside = [name for name in around[cut["name"]] if held[name] > 1 and name not in same][:LEVELS]
        for depth, name in enumerate(inside):
            if inside[: depth + 1] != above[: depth + 1]:
                rows.append(Row(depth, name, modules[name]))
        rows.append(Row(len(inside), cut["name"], cut["module"] or "(function)", cut))
        above = inside
    return rows


@dataclass(frozen=True)
class Cuts:
    """The cuts as a table that fits the terminal: bars grow with it, and numbers come where there is room."""

    result: dict[str, Any]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        rows, width = outline(self.result), options.max_width
        roomy = width >= ROOMY
        names = [" " * (2 * row.depth if roomy else row.depth) + row.name for row in rows]
        shapes = {row.name: _shape(row.cut) for row in rows if row.cut}
        # The gaps, the widths of names, shapes and stride, and twice a share and perhaps a number.
        taken = 13 + max(6, *map(len, names)) + max(map(len, shapes.values())) + 6 + 2 * (13 if roomy else 5)
        module = min(max(6, *(len(row.module) for row in rows)), max(width - taken - 2 * BAR[0], 6))
        bar = min(max((width - taken - module) // 2, BAR[0]), BAR[1])
        drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        drawn.add_column("cut at", overflow="fold")
        drawn.add_column("module", no_wrap=True, overflow="ellipsis", width=module)
        drawn.add_column("shape", no_wrap=True)
        drawn.add_column("stride", no_wrap=True, justify="right")
        drawn.add_column("parameters before" if roomy else "params", no_wrap=True)
        drawn.add_column("MACs before" if roomy else "MACs", no_wrap=True)
        last = {"params": 0, "macs": 0}
        for name, row in zip(names, rows, strict=True):
            if row.cut is None:
                drawn.add_row(Text(name), Text(row.module), style="dim")
                continue
            stride = "–" if row.cut["stride"] is None else f"{row.cut['stride']:.3g}"
            costs = []
            for kind, before in last.items():
                now = row.cut[f"{kind}_before"]
                whole = max(now + row.cut[f"{kind}_after"], 1)
                number = f"{short(now):>7} " if roomy else ""
                costs.append(f"{number}{now / whole:4.0%} {_bar(before / whole, now / whole, bar)}")
                last[kind] = now
            drawn.add_row(Text(name, style="bold"), Text(row.module), shapes[row.name], stride, *costs)
        yield drawn


def _shape(cut: dict[str, Any]) -> str:
    return f"{cut['layout']:<4} {'×'.join(map(str, cut['shape']))}"


def _bar(before: float, now: float, width: int) -> str:
    """What comes before, and what is new: at least one block where that is a hundredth."""
    end = round(now * width)
    start = min(round(before * width), end)
    if start == end and now - before >= 0.01:
        start, end = (start - 1, end) if end == width else (start, end + 1)
    return ("░" * start + "█" * (end - start)).ljust(width)


def short(count: int) -> str:
    """Three digits and a unit: ``86.8 k``, ``4.09 G``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            digits = f"{count / size:#.3g}".removesuffix(".")
            return f"{digits if 'e' not in digits else round(count / size)} {unit}"
    return str(count)
