"""``suture compare``."""

from typing import Annotated, Any

import typer

from suture.cli import options
from suture.cli.app import app, build
from suture.cli.groups import adding, take
from suture.cli.stages import words
from suture.cli.tables import compare_table
from suture.spec.compare import MOST_PERMUTATIONS, SAMPLES, CompareStep
from suture.spec.measures import ALIASES, MEASURES


@app.command(rich_help_panel="Look")
@adding(options.inputs, options.outputs)
def compare(
    a: Annotated[str, typer.Argument(help="A network, as KIND:NAME\\[@WEIGHTS], or the folder of a run.")],
    b: Annotated[str, typer.Argument(help="Another one, or the same.")],
    measure: Annotated[
        str,
        typer.Option(
            help=f"With commas: {', '.join(ALIASES)}; or in full, with any number where one is: {', '.join(MEASURES)}"
        ),
    ] = "cka",
    layers: Annotated[
        str,
        typer.Option(
            metavar="X:Y|GLOB,...",
            help="Pairs of a layer of A and one of B; or patterns, 'layer*' for both or 'layer*:features.*' for A and "
            "for B; else all block cuts of both",
        ),
    ] = "",
    split: Annotated[str, typer.Option(help="train, val or test")] = "test",
    samples: Annotated[
        int, typer.Option(min=1, help="How many samples at most; some measures keep n × n numbers")
    ] = SAMPLES,
    spatial: Annotated[
        str,
        typer.Option(
            help="What is made of maps: flatten (every entry a feature), mean (over the grid), or positions (a sample "
            "is a point of an image)"
        ),
    ] = "flatten",
    null: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_PERMUTATIONS,
            help="Permutations of the images, for p-values: 20 or more to get below 0.05",
        ),
    ] = 0,
    **given: Any,
) -> None:
    """How alike the layers of two networks are: what they make of the same images.

    Without --layers every block cut of A is compared with every one of B; of a run of suture stitch, and the last
    network it was made of, what the adapter gives with that network's own activation at the cut. Any value that suture
    layers --fine prints may be named. Each network sees the images through its own preprocessing. A run folder brings
    its own data. The samples are the first images where the file order is random, else drawn by --seed. A run folder
    (heatmaps, values.npz, report.html) is written only with --name or --out.

    Examples:

      suture compare zoo:tiny10-a zoo:resnet20-a --measure cka,procrustes --spatial mean

      suture compare zoo:tiny10-a zoo:resnet20-a --layers 'relu*:layer3.*' --null 200 --name alike

      suture compare zoo:tiny10-a zoo:tiny10-b --layers relu3:relu3,relu5:relu5 --measure cka,l2

      suture compare runs/my-stitch zoo:tiny10-b --measure l2 --samples 500
    """
    a, b = options.network_source(a), options.network_source(b)
    step = build(
        CompareStep,
        a=a,
        b=b,
        measure=words(measure),
        layers=words(layers),
        split=split,
        samples=samples,
        spatial=spatial,
        permutations=null,
    )
    recipe = options.recipe(step, options.inputs_of(a, given))
    told = take(options.outputs, given)
    if told["name"] or told["out"] or told["print_config"]:
        options.carry_out(recipe, "compare", compare_table, told)
        return
    from suture.recipes.compare import Compare
    from suture.recipes.context import Context

    context = Context(recipe, options.watch(told["quiet"] or told["json"]), told["trust_code"])
    options.show(Compare.prepare(step, context).run().result, compare_table, told["json"])
