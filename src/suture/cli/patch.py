"""``suture patch``."""

from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.staged import shared, staged
from suture.cli.tables import patch_table, planned_table
from suture.errors import RecipeError, nearest
from suture.spec.names import TTA
from suture.spec.patch import Operation
from suture.spec.patch_step import STAGES
from suture.spec.recipe import PatchStep

PLACED = ("position", "identity_start", "allow_change")


def changed(
    wrap: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Pass a layer's output through a block: layer3=se")
    ] = None,
    inject: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help='Put a block after a layer: "layer2=eca position=before"')
    ] = None,
    replace: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Put a block in a layer's place: avgpool=gem")
    ] = None,
    identity_start: Annotated[
        bool, typer.Option("--identity-start", help="Added blocks begin as the identity: accuracy is kept at first")
    ] = False,
    dropout: Annotated[float, typer.Option(min=0, max=0.999, help="Before the last layer; 0: as it is")] = 0.0,
    new_head: Annotated[bool, typer.Option("--new-head", help="A new last layer even for as many classes")] = False,
    controls: Annotated[
        bool, typer.Option("--controls", help="Train the network without the patches as well, and say whether they won")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Repeat everything with so many seeds, from --seed upwards")] = 1,
    tta: Annotated[str, typer.Option(help=f"Test-time augmentation: {', '.join(TTA)}")] = "none",
    eval_batch: Annotated[int, typer.Option(min=1, help="Images a batch when scoring")] = 256,
) -> dict[str, Any]:
    """Fields of a PatchStep. What is replaced comes first, then what is wrapped, then what is injected."""
    told = dict(locals())
    texts: dict[Operation, list[str]] = {name: told.pop(name) or [] for name in ("replace", "wrap", "inject")}
    patches = [read_change(operation, text) for operation, given in texts.items() for text in given]
    return told | {"patches": patches}


def read_change(operation: Operation, text: str) -> dict[str, Any]:
    """``layer4=cbam_block reduction=8`` as a patch in plain data. Raises RecipeError."""
    first, *others = text.split() or [""]
    target, equals, block = first.partition("=")
    if not (target and equals and block):
        raise RecipeError(
            f"--{operation} {text!r} names no layer and block",
            expected="LAYER=BLOCK, then KEY=VALUE for what the block takes",
            instead=f'--{operation} "{target or "layer3"}=se reduction=16"',
        )
    found: dict[str, Any] = {"target": target, "operation": operation, "block": block}
    params: dict[str, Any] = {}
    for word in others:
        key, equals, value = word.partition("=")
        if not key or (not equals and key not in PLACED[1:]) or (equals and not value):
            raise RecipeError(
                f"{word!r} in --{operation} {text!r} sets nothing",
                expected="KEY=VALUE, with a parameter of the block or position, identity_start, allow_change",
                instead=f"{key or nearest(value, PLACED, 1)[0]}=...",
            )
        (found if key in PLACED else params)[key] = _value(value) if equals else True
    return found | ({"params": params} if params else {})


def _value(text: str) -> Any:
    """A YAML scalar; what is none stays text."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text


@app.command(rich_help_panel="Build")
@adding(changed, shared, options.inputs, options.outputs)
def patch(
    model: Annotated[str, typer.Argument(help="The network: torchvision:resnet50, timm:..., a run folder")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, without data and weights, and stop")
    ] = False,
    **given: Any,
) -> None:
    """Change layers of a network, and train it in stages.

    A change is LAYER=BLOCK with the block's parameters behind it. In LAYER a * stands for any (part of a) name between
    dots; suture layers MODEL lists layers, suture ls blocks the blocks. Replacements come first, then wraps, then
    injections, each in the order told. All other weights stay, under the same names.

    Without --stage there are two: head and added blocks alone, with the backbone frozen, then everything. A --stage is
    what may move (head, blocks, stem, backbone, all; backbone:2 are the last two stages), then fields as in a recipe.
    What is frozen before everything that moves runs once. The run keeps what it needs to answer: suture predict RUN
    IMAGE, suture explain RUN, suture eval RUN --report.

    Examples:

      suture patch zoo:resnet20-a --wrap layer3=se --epochs 2 --name attentive

      suture patch torchvision:resnet50 --wrap layer3=se --wrap "layer4=cbam_block reduction=8" --dry-run

      suture patch torchvision:efficientnet_b0 --inject features.5=eca --replace avgpool=gem --data folder:scans
      --identity-start --controls --seeds 3

      suture patch timm:convnext_tiny --data folder:scans --stage "head,blocks epochs=5" --stage "backbone:1,head,blocks
      epochs=5 lr=1e-4" --stage "all epochs=5 lr=1e-5"

      suture patch torchvision:resnet18 --wrap "layer*.*.conv*=lora rank=4" --data folder:scans --stage "head,blocks"
    """
    stages = staged(given, STAGES)
    step = build(PatchStep, model=options.network_source(model), stages=stages, **take(changed, given))
    recipe, told = options.recipe(step, take(options.inputs, given)), take(options.outputs, given)
    if not dry_run or told["print_config"]:
        options.carry_out(recipe, "patch", patch_table, told)
        return
    from suture.recipes.context import Context
    from suture.recipes.patch import planned

    found = planned(step, Context(recipe, options.watch(quiet=True), told["trust_code"]))
    options.show(found, planned_table, told["json"])
