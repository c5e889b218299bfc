"""The model card of a search: what the hybrid is made of, and how good it is."""

from typing import Any

LEVEL = 0.05  # of McNemar's test, below which a difference is called more than chance


def lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows every account of a search shows: both parents, cut in half, the best hybrid."""
    best, half, parents = result["best"], result["baseline"], result["parents"]
    rows = [{"what": f"parent {side.upper()}", "name": parents[side]["source"], **parents[side]} for side in "ab"]
    rows.append({"what": "cut in half", "name": f"{half['a']} → {half['b']}", **half})
    rows.append({"what": "best hybrid", "name": f"{best['a']} → {best['b']}", **best})
    return rows


def sentence(result: dict[str, Any]) -> str:
    """What came out, in one sentence, without more certainty than the test images give."""
    best, against = result["best"], result["against_better_parent"]
    won, lost, p_value = (against[key] for key in ("only_hybrid_right", "only_parent_right", "p_value"))
    parent = result["parents"][against["parent"]]["source"]
    head = f"The best of {len(result['pairs'])} hybrids gets {best['accuracy']:.1%} of {result['n']} test images right"
    if won == lost:
        return f"{head}, as many as its better parent, {parent}."
    way = "more" if won > lost else "fewer"
    sure = "more than chance does" if p_value < LEVEL else "no more than chance does"
    return f"{head}, {abs(won - lost)} {way} than its better parent, {parent}: {sure} (McNemar, p = {p_value:.2g})."


def card(result: dict[str, Any], recipe: str) -> str:
    """README.md of the run folder."""
    best = result["best"]
    rows = "\n".join(
        f"| {row['what']} | {row['name']} | {row['accuracy']:.1%} | {row['cross_entropy']:.3f} | "
        f"{row['parameters']:,} | {row['macs'] / 1e6:.1f} M |"
        for row in lines(result)
    )
    notes = "".join(f"- {note}\n" for note in result["notes"])
    return f"""# A stitched network

{sentence(result)}

It runs `{result["parents"]["a"]["source"]}` up to `{best["a"]}`, a small adapter, and
`{result["parents"]["b"]["source"]}` after `{best["b"]}`.

| | network or cut | accuracy | cross-entropy | parameters | MACs |
|---|---|---|---|---|---|
{rows}

Accuracy and cross-entropy (nats) are on {result["n"]} test images of {result["data"]}; choices were made on
{result["n_val"]} validation images. The search cost {result["cost_fpe"]:,.0f} FPE
(one image through both parents is 1).

{notes}
![Where it was cut](plots/hybrid.png)
![All pairs of cuts](plots/heatmap.png)
![Accuracy](plots/accuracy.png)

`suture eval run:FOLDER --data DATA`, with this folder and the data below, scores it again. Recipe:

```yaml
{recipe}```
"""
