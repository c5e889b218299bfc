"""What a fusion came to, in words: the verdict beside its backbones alone, and the model card."""

from collections.abc import Iterator
from typing import Any

from suture.reporting.card import LEVEL


def rows(result: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fusion and each backbone that was trained alone: what it is, and its accuracy over seeds."""
    for what, told in result["over_seeds"].items():
        yield name(result, what), told


def name(result: dict[str, Any], what: str) -> str:
    return f"{what.upper()} alone" if what in result["networks"] else f"fused ({result['method']})"


def spread(told: dict[str, Any]) -> str:
    """Mean ± standard deviation in per cent, the mean alone of a single value."""
    mean, sd = 100 * told["mean"], told["sd"]
    return f"{mean:.2f}%" if sd is None else f"{mean:.2f} ± {100 * sd:.2f}%"


def chosen(result: dict[str, Any]) -> bool:
    """Whether a stage ended with the weights, or at the time, that did best on the validation images."""
    return any(stage["chosen"] for stage in result["stages"])


def verdict(result: dict[str, Any]) -> str:
    """What came out in a sentence or two, without more certainty than the images and the seeds give."""
    return _sentence(result) + caution(result)


def caution(result: dict[str, Any]) -> str:
    """Scores on images that had a say in the training are flattered."""
    if result["split"] != "val" or not chosen(result):
        return ""
    return " These images also chose the epochs, so their scores flatter; --test-share would hold unseen ones out."


def _sentence(result: dict[str, Any]) -> str:
    n, fused = result["n"][result["split"]], result["over_seeds"]["fused"]
    split = {"val": "validation"}.get(result["split"], result["split"])
    head = f"The fusion gets {spread(fused)} of {n} {split} images right"
    if not result["alone"]:
        return f"{head}. Whether that is more than its backbones do alone, --controls would say."
    best = max(result["alone"], key=lambda letter: result["over_seeds"][letter]["mean"])
    alone, other = result["alone"][best], result["over_seeds"][best]
    gain, seeds = fused["mean"] - other["mean"], len(fused["values"])
    if gain == 0:
        return f"{head}, as many as its better backbone alone, {result['networks'][best]}, trained alike."
    way = "more" if gain > 0 else "fewer"
    same = sum(value * gain > 0 for value in alone["gain"])
    over = f" (with {same} of {seeds} seeds)" if seeds > 1 else ""
    return (
        f"{head}, {abs(100 * gain):.2f} points {way} than its best backbone alone, {result['networks'][best]}, trained "
        f"alike{over}; on the images of the first seed {surely(alone, gain)} (McNemar, p = {alone['p_value']:.2g})."
    )


def surely(told: dict[str, Any], gain: float) -> str:
    """What the images of the first seed say of a mean gain over seeds."""
    if told["p_value"] >= LEVEL:
        return "no more than chance does"
    return "more than chance does" if told["gain"][0] * gain > 0 else "it is the other way round"


def card(result: dict[str, Any], recipe: str) -> str:
    """README.md of the run folder."""
    networks = "\n".join(
        f"- {letter.upper()}: `{source}` up to `{part['cut']}`"
        for (letter, source), part in zip(result["networks"].items(), result["plan"]["parts"], strict=True)
    )
    accuracies = "\n".join(f"| {what} | {spread(told)} | {len(told['values'])} |" for what, told in rows(result))
    folds = result["over_folds"]
    held = f"\nOver {len(folds['values'])} folds, each held out in turn: {spread(folds)}.\n" if folds else ""
    return f"""# A fused network

{verdict(result)}

{networks}

Their features are joined by `{result["method"]}` under one head of {result["parameters"]["head"]:,} parameters
({result["parameters"]["total"]:,} in all).

| | accuracy on {result["n"][result["split"]]} {result["split"]} images | seeds |
|---|---|---|
{accuracies}
{held}
{trained(result, recipe)}"""


def trained(result: dict[str, Any], recipe: str) -> str:
    """The end of the card of whatever was trained in stages."""
    stages = "\n".join(
        f"| {number} | {', '.join(stage['moves'])} | {stage['epochs']} | {stage['kept']} | "
        f"{'yes' if stage['cached'] else 'no'} |"
        for number, stage in enumerate(result["stages"], 1)
    )
    picked = f"; epochs were chosen on {result['n']['val']} validation images" if chosen(result) else ""
    plots = [("confusion", "Confusion"), ("roc", "ROC"), ("pr", "Precision and recall"), ("reliability", "Calibration")]
    pictures = "\n".join(f"![{what}](plots/{file}.png)" for file, what in plots) if result["report"] else ""
    return f"""| stage | what learnt | epochs | kept epoch | features kept |
|---|---|---|---|---|
{stages}

Trained on {result["n"]["train"]} images of {result["data"]}{picked}.
Classes: {", ".join(f"`{name}`" for name in result["classes"])}.

{pictures}

`suture predict FOLDER IMAGE`, with this folder, answers; `suture explain FOLDER` shows what it looks at. Recipe:

```yaml
{recipe}```
"""
