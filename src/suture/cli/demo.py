"""``suture demo``."""

from typing import Any

from suture.cli import options
from suture.cli.app import app
from suture.cli.groups import adding, take
from suture.cli.tables import search_table
from suture.spec.recipe import SearchStep

A, B = "zoo:resnet20-a", "zoo:tiny10-a"


@app.command(rich_help_panel="Start here")
@adding(options.outputs, name="demo")
def demo(**given: Any) -> None:
    """A hybrid out of two bundled networks, in two minutes and without a download.

    Searches all pairs of cuts of a ResNet-20 and a small plain network on 3,000 CIFAR-10 images, trains the best
    few hybrids, and writes table, heatmap, curves and a page to runs/demo. Run again, it shows the result at once.

    Examples:

      suture demo

      suture demo --name another --json
    """
    told = take(options.outputs, given)
    path = options.carry_out(options.recipe(SearchStep(a=A, b=B), {}), "demo", search_table, told)
    if not (told["json"] or told["print_config"]):
        options.watch(told["quiet"]).say(f"Open {path / 'report.html'} to see where it was cut, and why")
