"""``suture explain``."""

from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.stages import words
from suture.cli.tables import share
from suture.spec.fuse import ExplainStep
from suture.spec.names import EXPLANATIONS


@app.command(rich_help_panel="Look")
@adding(options.inputs, options.outputs)
def explain(
    model: Annotated[str, typer.Argument(help="The network, or the folder of a run.")],
    images: Annotated[
        list[str] | None, typer.Argument(help="Image files, folders or patterns; else images of --data are shown.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test")] = "test",
    count: Annotated[int, typer.Option(min=1, help="How many right and how many wrong answers are shown")] = 8,
    layer: Annotated[str, typer.Option(help="Values to look at, with commas; else the last map of every branch")] = "",
    target: Annotated[
        str | None, typer.Option(help="The class to explain, by name or number; else what the network answers")
    ] = None,
    method: Annotated[str, typer.Option(help=", ".join(EXPLANATIONS))] = "grad-cam",
    **given: Any,
) -> None:
    """Show where a network looks: Grad-CAM over images, right and wrong answers side by side.

    The last map of every branch is found in the network itself; of a fusion each backbone is shown alone and combined,
    and what each is worth is told (by what is lost when its features are the same for all images). A run folder brings
    its own data. Other methods than grad-cam need pip install 'suture\\[explain]'.

    Examples:

      suture explain zoo:resnet20-a

      suture explain runs/my-fusion --count 4 --name looks

      suture explain runs/my-network photo.jpg more/ --target cat

      suture explain torchvision:resnet18 photo.jpg --layer layer3,layer4
    """
    model = options.network_source(model)
    fields = {"images": tuple(images or ()), "layer": words(layer), "target": target, "method": method}
    step = build(ExplainStep, model=model, split=split, count=count, **fields)
    recipe = options.recipe(step, take(options.inputs, given) if images else options.inputs_of(model, given))
    options.carry_out(recipe, "explain", explain_table, take(options.outputs, given))


def explain_table(result: dict[str, Any]) -> Group:
    of = f"{result['data']}, {result['split']}" if result["split"] else result["data"]
    table = Table(title=f"{of}, {result['method']}", title_justify="left")
    labelled = result["accuracy"] is not None
    for column in ("image", *(["truth"] if labelled else []), "answer", "confidence", "file"):
        table.add_column(column, overflow="fold", justify="right" if column == "confidence" else "left")
    for line in result["images"]:
        wrong = labelled and line["truth"] != line["answer"]
        cells = [line["image"], *([line["truth"]] if labelled else []), line["answer"], share(line["confidence"])]
        table.add_row(*(Text(cell, style="red" if wrong else "") for cell in cells), Text(line["file"]))
    return Group(table, *(Text(line) for line in _lines(result)))


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [f"{branch}: {name}" if branch != name else f"at {name}" for branch, name in result["layers"].items()]
    if result["accuracy"] is not None:
        lines.append(f"{share(result['accuracy'])} of the {result['n']} images looked at are answered right")
    for name, told in (result["shares"] or {}).items():
        lost = _change("accuracy", -100 * told["accuracy_drop"], "{:.2f} points")
        rise = _change("cross-entropy", told["cross_entropy_rise"], "{:.4f}")
        lines.append(f"{name} ({told['network']}): share {share(told['share'])}; without it {lost}, {rise}")
    return lines


def _change(what: str, by: float, spelling: str) -> str:
    return f"{what} {'falls' if by < 0 else 'rises'} by {spelling.format(abs(by))}" if by else f"{what} stays"
