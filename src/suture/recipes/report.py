"""What a finished search leaves to look at: pictures, a card, a page."""

from typing import Any

from suture.recipes.text import resolved
from suture.reporting import bars, card, curves, drawing, heatmap, page
from suture.runs import RunFolder, write_text
from suture.selection import Grid
from suture.spec.recipe import Recipe


def write_search(
    folder: RunFolder,
    result: dict[str, Any],
    grid: Grid,
    trials: dict[tuple[str, str], dict[str, Any]],
    recipe: Recipe,
) -> None:
    """Heatmap, curves, bars and drawing as PNG under ``plots``; README.md; report.html, which opens offline."""
    best, half = result["best"], result["baseline"]
    values: list[list[float | None]] = [[None] * len(grid.b) for _ in grid.a]
    for pair in grid.pairs:
        values[grid.a.index(pair.a)][grid.b.index(pair.b)] = pair.accuracy
    marks = {
        (grid.a.index(half["a"]), grid.b.index(half["b"])): "half",
        (grid.a.index(best["a"]), grid.b.index(best["b"])): "best",
    }
    a, b = (result["parents"][side]["source"] for side in "ab")
    changed = " (flipped, shifted)" if result["val_augmented"] else ""
    heatmap(
        values,
        grid.a,
        grid.b,
        folder.plots / "heatmap.png",
        title=f"Accuracy of the untrained stitch, % of {result['n_val']} validation images{changed}",
        row_title=f"encoder: {a} up to",
        column_title=f"decoder: {b} after",
        marks=marks,
    )
    if any(trial["history"] for trial in trials.values()):
        curves({trial["pair"]: trial["history"] for trial in trials.values()}, folder.plots / "curves.png")
    accuracies = {
        f"parent A  {a}": result["parents"]["a"]["accuracy"],
        f"parent B  {b}": result["parents"]["b"]["accuracy"],
        "cut in half": half["accuracy"],
        "best hybrid": best["accuracy"],
    }
    bars(
        accuracies,
        folder.plots / "accuracy.png",
        title=f"Accuracy on {result['n']} test images",
        highlight="best hybrid",
    )
    drawing((a, b), (grid.a, grid.b), (best["a"], best["b"]), folder.plots / "hybrid.png")
    text = resolved(recipe.as_data())
    write_text(folder.path / "README.md", card(result, text))
    write_text(folder.path / "report.html", page(result, text, folder.plots))
