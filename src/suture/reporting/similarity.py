"""How alike layers are, in words and rows: which variant was measured, the best matches, what chance gives."""

from collections.abc import Mapping
from typing import Any

LEVEL = 0.05  # of a p-value, from which on a similarity is one that chance gives as well
SPATIAL = {
    "flatten": "flattened",
    "mean": "channels averaged over the grid",
    "positions": "each sample a point of an image",
}
Told = Mapping[str, Any]


def variant(told: Told) -> str:
    """Which variant of its measure a similarity is: the estimator, n, what was made of maps, the permutations."""
    batch, permutations = told["batch"], told["permutations"]
    words = [f"n {told['n']:,}", SPATIAL[told["spatial"]]]
    if batch:
        count, rest = divmod(told["n"], batch)
        batches = "1 batch of" if count + bool(rest) == 1 else f"{count + bool(rest)} batches of"
        words = ["unbiased", f"{batches} {'up to ' if rest else ''}{batch:,}", *words]
    elif told["estimator"]:
        words.insert(0, told["estimator"])
    if not told["higher_is_more_similar"]:
        words.append("a distance: 0 is the same")
    if permutations:
        words.append(f"p of {permutations:,} permutations, {1 / (permutations + 1):.2g} at least")
    return ", ".join(words)


def best_matches(told: Told) -> list[int | None]:
    """The column most alike to each row; None where no column has a value."""
    better = max if told["higher_is_more_similar"] else min
    found: list[int | None] = []
    for row in told["values"]:
        known = {column: value for column, value in enumerate(row) if value is not None}
        found.append(better(known, key=known.__getitem__) if known else None)
    return found


def best_rows(told: Told) -> list[dict[str, str]]:
    """The best match of each layer of A, written out."""
    found = []
    for row, column in enumerate(best_matches(told)):
        one = {"a": told["layers_a"][row], "b": "–", "value": "–", "p": "–"}
        if column is not None:
            p_values = told["p_values"]
            one |= {"b": told["layers_b"][column], "value": measured(told["values"][row][column])}
            one |= {"p": measured(p_values[row][column])} if p_values else {}
        found.append(one)
    return found


def looked_at(result: Told) -> str:
    """The samples of a result of compare."""
    many = f"{result['points']} points of each of " if result["points"] > 1 else ""
    seed = f", drawn by seed {result['seed']}" if result["drawn"] or result["spatial"] == "positions" else ""
    return f"{result['data']}, {result['split']}, {many}{result['images']:,} images{seed}"


def by_chance(told: Told, row: int, column: int) -> bool:
    """Whether permutations leave it open that chance gives as much."""
    p_values = told["p_values"]
    return p_values is not None and p_values[row][column] is not None and p_values[row][column] >= LEVEL


def chance(told: Told) -> str:
    """What the permutations say of a matrix, in which brackets mark what ``by_chance`` finds."""
    rows, columns = range(len(told["layers_a"])), range(len(told["layers_b"]))
    if any(by_chance(told, row, column) for row in rows for column in columns):
        return f"in brackets: p of {LEVEL} or more"
    return f"every p is below {LEVEL}"


def measured(value: float | None, digits: int = 4) -> str:
    """So many decimals, or digits of a large number."""
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}" if abs(value) < 1000 else f"{value:.4g}"
