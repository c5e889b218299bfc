"""``suture demo``."""

from pathlib import Path

from suture.cli import options
from suture.cli.app import app
from suture.cli.tables import search_table
from suture.spec.recipe import SearchStep

PARENTS = ("zoo:resnet20-a", "zoo:tiny10-a")


@app.command(rich_help_panel="Start here")
def demo(
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """One better network out of two bundled ones, in two minutes and without a download.

    Searches all pairs of cuts of a ResNet-20 and a small plain network on 3,000 CIFAR-10 images, trains the best
    few hybrids, and writes table, heatmap, curves and a page to runs/demo. Run again, it shows the result at once.

    Examples:

      suture demo

      suture demo --out /tmp/demo --json
    """
    a, b = PARENTS
    recipe = options.one_step(SearchStep(a=a, b=b), "sample", 0, "auto", False)
    path = out or Path("runs") / "demo"
    options.finish(recipe, path, search_table, json=json, trust=False, overwrite=overwrite, quiet=quiet)
    if not (json or quiet):
        options.watch(quiet).say(f"Open {path / 'report.html'} to see where it was cut, and why")
