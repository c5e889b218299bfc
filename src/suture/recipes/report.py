"""What a finished search leaves to look at: pictures, a card, a page."""

from typing import Any

from suture.recipes.text import resolved
from suture.reporting.card import card, share
from suture.reporting.drawing import drawing
from suture.reporting.figures import bars, curves, heatmap
from suture.reporting.page import page
from suture.runs import RunFolder, write_text
from suture.selection import ChainScore, Explored, Grid
from suture.spec.at import At
from suture.spec.recipe import Recipe


def write_search(
    folder: RunFolder,
    result: dict[str, Any],
    explored: Explored,
    best: ChainScore,
    even: ChainScore,
    trials: dict[At, dict[str, Any]],
    recipe: Recipe,
) -> None:
    """Heatmaps, curves, bars and drawing as PNG under ``plots``; README.md; report.html, which opens offline."""
    sources = {name: told["source"] for name, told in result["parents"].items()}
    grids = [explored.grids[best.at[:join]] for join in range(len(best.at))]
    for join, grid in enumerate(grids):
        marked = {best.at[join]: "best"}
        if even.at[:join] == best.at[:join]:
            marked = {even.at[join]: share(result), **marked}
        _heatmap(folder, result, join, grid, list(sources.values()), best.at[:join], marked)
    if any(trial["history"] for trial in trials.values()):
        curves({trial["pair"]: trial["history"] for trial in trials.values()}, folder.plots / "curves.png")
    accuracies = {
        f"parent {name.upper()}  {sources[name]}": told["accuracy"] for name, told in result["parents"].items()
    }
    accuracies |= {f"cut in {share(result)}": result["baseline"]["accuracy"], "best hybrid": result["best"]["accuracy"]}
    bars(
        accuracies,
        folder.plots / "accuracy.png",
        title=f"Accuracy on {result['n']} test images",
        highlight="best hybrid",
    )
    drawing(list(sources.values()), [grids[0].a, *(grid.b for grid in grids)], best.at, folder.plots / "hybrid.png")
    text = resolved(recipe.as_data())
    write_text(folder.path / "README.md", card(result, text))
    write_text(folder.path / "report.html", page(result, text, folder.plots))


def _heatmap(
    folder: RunFolder,
    result: dict[str, Any],
    join: int,
    grid: Grid,
    sources: list[str],
    before: At,
    marked: dict[tuple[str, str], str],
) -> None:
    """All ways to make one join, after the joins ``before`` it."""
    values: list[list[float | None]] = [[None] * len(grid.b) for _ in grid.a]
    for pair in grid.pairs:
        values[grid.a.index(pair.a)][grid.b.index(pair.b)] = pair.accuracy
    changed = " (flipped, shifted)" if result["val_augmented"] else ""
    what, part = (
        ("chain", f"{sources[join]} after {before[-1][1]} up to")
        if before
        else ("stitch", f"encoder: {sources[join]} up to")
    )
    heatmap(
        values,
        grid.a,
        grid.b,
        folder.plots / f"heatmap{join + 1 if join else ''}.png",
        title=f"Accuracy of the untrained {what}, % of {result['n_val']} validation images{changed}",
        row_title=part,
        column_title=f"decoder: {sources[join + 1]} after",
        marks={(grid.a.index(x), grid.b.index(y)): mark for (x, y), mark in marked.items()},
    )
