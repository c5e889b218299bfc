"""The model card of a search: what the hybrid is made of, and how good it is."""

from itertools import pairwise
from typing import Any

from suture.spec.at import At, read_at

LEVEL = 0.05  # of McNemar's test, below which a difference is called more than chance


SHARES = {2: "half", 3: "thirds", 4: "quarters"}


def share(result: dict[str, Any]) -> str:
    """What the parents of the baseline are cut in."""
    return SHARES.get(len(result["parents"]), f"{len(result['parents'])} equal parts")


def joins(hybrid: dict[str, Any]) -> At:
    """Where a hybrid of a search's result is joined: of two networks it names the two cuts, of more all joins."""
    return read_at(hybrid["at"] if "at" in hybrid else [(hybrid["a"], hybrid["b"])])


def place(at: At) -> str:
    return ", ".join(f"{x} → {y}" for x, y in at)


def lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows every account of a search shows: the parents, cut in half (or thirds ...), the best hybrid."""
    best, even, parents = result["best"], result["baseline"], result["parents"]
    rows = [{"what": f"parent {side.upper()}", "name": told["source"], **told} for side, told in parents.items()]
    rows.append({"what": f"cut in {share(result)}", "name": place(joins(even)), **even})
    rows.append({"what": "best hybrid", "name": place(joins(best)), **best})
    return rows


def sentence(result: dict[str, Any]) -> str:
    """What came out, in one sentence, without more certainty than the test images give."""
    best, against = result["best"], result["against_better_parent"]
    won, lost, p_value = (against[key] for key in ("only_hybrid_right", "only_parent_right", "p_value"))
    parent = f"its {'better' if len(result['parents']) == 2 else 'best'} parent, "
    parent += result["parents"][against["parent"]]["source"]
    head = f"The best of {len(result['pairs'])} hybrids gets {best['accuracy']:.1%} of {result['n']} test images right"
    if won == lost:
        return f"{head}, as many as {parent}."
    way = "more" if won > lost else "fewer"
    sure = "more than chance does" if p_value < LEVEL else "no more than chance does"
    return f"{head}, {abs(won - lost)} {way} than {parent}: {sure} (McNemar, p = {p_value:.2g})."


def unit(result: dict[str, Any]) -> str:
    """What one FPE is."""
    return f"one image through {'both' if len(result['parents']) == 2 else 'all'} parents is 1"


def recital(result: dict[str, Any]) -> str:
    """Which part of which parent runs, in order, as Markdown."""
    first, *others, last = (f"`{told['source']}`" for told in result["parents"].values())
    at = joins(result["best"])
    middles = [
        f"{source} after `{y}` up to `{x}`" for source, ((_, y), (x, _)) in zip(others, pairwise(at), strict=True)
    ]
    return ", a small adapter, and\n".join([f"{first} up to `{at[0][0]}`", *middles, f"{last} after `{at[-1][1]}`"])


def card(result: dict[str, Any], recipe: str) -> str:
    """README.md of the run folder."""
    rows = "\n".join(
        f"| {row['what']} | {row['name']} | {row['accuracy']:.1%} | {row['cross_entropy']:.3f} | "
        f"{row['parameters']:,} | {row['macs'] / 1e6:.1f} M |"
        for row in lines(result)
    )
    more = "".join(f"![All ways to go on](plots/heatmap{k}.png)\n" for k in range(2, len(result["parents"])))
    notes = "".join(f"- {note}\n" for note in result["notes"])
    return f"""# A stitched network

{sentence(result)}

It runs {recital(result)}.

| | network or cut | accuracy | cross-entropy | parameters | MACs |
|---|---|---|---|---|---|
{rows}

Accuracy and cross-entropy (nats) are on {result["n"]} test images of {result["data"]}; choices were made on
{result["n_val"]} validation images. The search cost {result["cost_fpe"]:,.0f} FPE
({unit(result)}).

{notes}
![Where it was cut](plots/hybrid.png)
![All pairs of cuts](plots/heatmap.png)
{more}![Accuracy](plots/accuracy.png)

`suture eval run:FOLDER --data DATA`, with this folder and the data below, scores it again. Recipe:

```yaml
{recipe}```
"""
