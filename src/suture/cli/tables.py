"""Results as tables for people."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from suture.cli.reports import report_parts
from suture.errors import listed
from suture.reporting import fusions, patches, similarity
from suture.reporting.card import lines, place, sentence
from suture.reporting.trials import Spread, over_seeds, spelled_value
from suture.spec.plan import Plan

MAPS = {"before": "hybrid, before", "direct": "hybrid, direct fit", "after": "hybrid, after"}
MATRIX = 78


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def nats(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def train_table(result: dict[str, Any]) -> Group:
    several = "attributes" in result
    numbers = [
        f"{share(result['accuracy'])} of {result['split']} {'labels ' if several else ''}right",
        *([f"mean AUC {nats(result['auc'])}"] if several else []),
        f"cross-entropy {nats(result['cross_entropy'])}",
        f"after {result['epochs']} epochs",
    ]
    return Group(Text(f"{result['network']} on {result['data']}: {', '.join(numbers)}"), *_without_auc(result))


def eval_table(result: dict[str, Any]) -> Group:
    several = "attributes" in result
    views = f", test-time augmentation {result['tta']}" if "tta" in result else ""
    table = Table(title=f"{result['data']}, {result['split']}, {result['n']} images{views}", title_justify="left")
    table.add_column("network", overflow="fold")
    for column in ("mean accuracy", "mean AUC", "cross-entropy") if several else ("accuracy", "cross-entropy"):
        table.add_column(column, justify="right")
    auc = [nats(result["auc"])] if several else []
    table.add_row(Text(result["network"]), share(result["accuracy"]), *auc, nats(result["cross_entropy"]))
    report = report_parts(result["report"]) if "report" in result else []
    return Group(table, *_without_auc(result), *report)


def _without_auc(result: dict[str, Any]) -> list[Text]:
    """A line that names the attributes left out of the mean, where there are any."""
    every = result.get("attributes", [])
    names = [attribute["name"] for attribute in every if attribute["auc"] is None]
    if not names:
        return []
    why = f"no AUC, as all {result['split']} images have the same label"
    return [Text(f"{len(names)} of {len(every)} attributes have {why}: {listed(names)}")]


def stitch_table(result: dict[str, Any]) -> Group:
    plan, last = Plan.from_dict(result["plan"]), list(result["parents"])[-1]
    table = Table(title=f"{place(plan.at)}, {result['split']}, {result['n']} images", title_justify="left")
    table.add_column("", no_wrap=True)
    for column in ("accuracy", "cross-entropy", "agreement", f"CKA with {last.upper()}"):
        table.add_column(column, justify="right")
    for side, known in result["parents"].items():
        numbers = share(known["accuracy"]), nats(known["cross_entropy"]), share(result["agreement"][side])
        table.add_row(f"parent {side.upper()}", *numbers)
    for which, words in MAPS.items():
        if which in result["accuracy"]:
            right, surprise = share(result["accuracy"][which]), nats(result["cross_entropy"][which])
            alike = nats(result["similarity"][which]["cka_linear_biased"])
            table.add_row(words, right, surprise, "", alike, style="bold" if which == "after" else "")
    names = [Text(f"{side.upper()}: {part.origin}") for side, part in zip(result["parents"], plan.parts, strict=True)]
    return Group(*names, table, *(Text(warning) for warning in result["warnings"]))


def fuse_table(result: dict[str, Any]) -> Group:
    """The fusion, and each backbone that was trained alone; then what that says."""
    names = [Text(f"{letter.upper()}: {source}") for letter, source in result["networks"].items()]
    split, several = result["split"], "attributes" in result
    table = Table(title=f"{result['data']}, {split}, {result['n'][split]} images", title_justify="left")
    table.add_column("", no_wrap=True)
    for column in ("accuracy", "cross-entropy", *(["mean AUC"] if several else [])):
        table.add_column(column, justify="right")
    own = nats(result["cross_entropy"])
    for what, told in result["over_seeds"].items():
        surprise = own if what == "fused" else nats(result["alone"][what]["cross_entropy"])
        auc = [nats(result["auc"])] if several else []
        style = "bold" if what == "fused" else ""
        table.add_row(fusions.name(result, what), fusions.spread(told), surprise, *auc, style=style)
    if result["over_folds"]:
        count = len(result["over_folds"]["values"])
        table.add_row(f"{count} folds, held out", fusions.spread(result["over_folds"]), "", *([""] if several else []))
    return Group(*names, table, Text(fusions.verdict(result)))


def patch_table(result: dict[str, Any]) -> Group:
    """What was changed, and how good the network is, beside itself without the patches where that was trained."""
    split, several, before = result["split"], "attributes" in result, result["before"]
    table = Table(title=f"{result['data']}, {split}, {result['n'][split]} images", title_justify="left")
    table.add_column("", no_wrap=True)
    for column in ("accuracy", "cross-entropy", *(["mean AUC"] if several else [])):
        table.add_column(column, justify="right")
    none = [""] if several else []
    if before:
        table.add_row("before training", share(before["accuracy"]), nats(before["cross_entropy"]), *none)
    for what, told in result["over_seeds"].items():
        own = result if what == "patched" else result[what]
        auc = [nats(result["auc"])] if several else []
        style = "bold" if what == "patched" else ""
        table.add_row(patches.NAMES[what], fusions.spread(told), nats(own["cross_entropy"]), *auc, style=style)
    return Group(Text(result["network"]), *_changes(result), table, Text(patches.verdict(result)))


def planned_table(found: dict[str, Any]) -> Group:
    """What a dry run says."""
    count = found["parameters"]
    told = f"{count['before']:,} parameters would become {count['after']:,}; nothing was trained or written."
    return Group(Text(found["network"]), *_changes(found), Text(told))


def _changes(result: dict[str, Any]) -> list[RenderableType]:
    """A row a layer that was changed."""
    if not result["patches"]:
        return [Text("no layer is changed")]
    table = Table()
    for column in ("layer", "what is done", "block", "at"):
        table.add_column(column, overflow="fold")
    table.add_column("parameters added", justify="right")
    for one in result["patches"]:
        at = f"{one['layout']} {'×'.join(map(str, one['shape']))}"
        table.add_row(
            Text(one["layer"]), one["operation"], Text(patches.spelled(one)), at, f"{one['parameters_added']:,}"
        )
    return [table]


def tune_table(result: dict[str, Any]) -> Group:
    """The trials, best first, then the fusion that was trained like the best."""
    told = result["tuning"]
    table = Table(title=f"{len(told['trials'])} trials", title_justify="left")
    names = [name for name in told["trials"][0] if name != "val_accuracy"]
    for name in (*names, "validation"):
        table.add_column("lr ×" if name == "lr" else name, justify="right")
    for trial in sorted(told["trials"], key=lambda trial: -(trial["val_accuracy"] or 0)):
        cells = [trial[name] if isinstance(trial[name], (str, int)) else f"{trial[name]:.3g}" for name in names]
        style = "bold" if trial["number"] == told["best"] else ""
        table.add_row(*map(str, cells), share(trial["val_accuracy"]), style=style)
    return Group(table, fuse_table(result))


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


def compare_table(result: dict[str, Any]) -> Group:
    """Pairs line by line; a matrix as it is while it is narrow, else the best match of each layer of A."""
    heading = [Text(f"A {result['a']} × B {result['b']}", style="bold"), Text(similarity.looked_at(result))]
    parts: list[RenderableType] = []
    for name, told in result["measures"].items():
        parts.append(Text(f"{name}: {similarity.variant(told)}"))
        parts += [] if result["pairs"] else _matrix(told)
    return Group(*heading, *parts, *([_pairs(result)] if result["pairs"] else []))


def _pairs(result: dict[str, Any]) -> Table:
    """A row a pair and measure, so that any number of measures fits."""
    table = Table("layer of A", "layer of B", "measure")
    endings = ("", "__p") if any(told["permutations"] for told in result["measures"].values()) else ("",)
    for ending in endings:
        table.add_column("p" if ending else "value", justify="right", no_wrap=True)
    for pair in result["pairs"]:
        for name in result["measures"]:
            numbers = (similarity.measured(pair[name + ending]) for ending in endings)
            table.add_row(Text(pair["a"]), Text(pair["b"]), name, *numbers)
    return table


def _matrix(told: dict[str, Any]) -> list[RenderableType]:
    rows, columns = told["layers_a"], told["layers_b"]
    cells = [[_cell(told, row, column) for column in range(len(columns))] for row in range(len(rows))]
    widths = [max(map(len, column)) for column in zip([*columns], *cells, strict=True)]
    if max(map(len, rows)) + 4 + sum(width + 3 for width in widths) <= MATRIX:
        table = Table("A \\ B")
        for column in columns:
            table.add_column(Text(column), justify="right")
        for name, row in zip(rows, cells, strict=True):
            table.add_row(Text(name), *row)
        return [table, *([Text(similarity.chance(told))] if told["permutations"] else [])]
    table = Table("layer of A", "most like it in B")
    shown = ("value", "p") if told["permutations"] else ("value",)
    for name in shown:
        table.add_column(name, justify="right")
    for match in similarity.best_rows(told):
        table.add_row(Text(match["a"]), Text(match["b"]), *(match[name] for name in shown))
    return [table]


def _cell(told: dict[str, Any], row: int, column: int) -> str:
    written = similarity.measured(told["values"][row][column], 3)
    return f"({written})" if similarity.by_chance(told, row, column) else written


def sweep_table(result: dict[str, Any]) -> Group:
    """A row a combination, over its seeds; and what was left out, and why."""
    keys, trials = [key for key in result["over"] if key != "seed"], result["trials"]
    own = list(result["parents"].values())[-1]
    title = f"{result['data']}, {result['split']}, {result['n']} images; {own['source']} alone {share(own['accuracy'])}"
    table = Table(title=Text(title), title_justify="left")
    for key in keys:
        table.add_column(key, overflow="fold")
    last = list(result["parents"])[-1]
    for column in ("before", "direct", "after", "relative", f"agrees with {last.upper()}"):
        table.add_column(column, justify="right")
    for group in over_seeds(trials, result["over"]):
        accuracies = [[trial["accuracy"].get(which) for trial in group] for which in ("before", "direct", "after")]
        numbers = [*accuracies, [t["relative_accuracy"] for t in group], [t["agreement"][last] for t in group]]
        named = [Text(spelled_value(key, group[0][key])) for key in keys]
        table.add_row(*named, *(spread(Spread.of(values)) for values in numbers))
    left = [Text(f"{one['count']} left out: {one['reason']}") for one in result["skipped"]]
    return Group(table, *left)


def spread(value: Spread | None) -> str:
    """Mean ± standard deviation in per cent, the mean alone where nothing deviates."""
    if value is None:
        return "–"
    return f"{100 * value.mean:.1f} ± {100 * value.sd:.1f}%" if value.sd else f"{value.mean:.1%}"
