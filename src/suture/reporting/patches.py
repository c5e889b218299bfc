"""What a patched network came to, in words: the verdict beside the same without patches, and the model card."""

from typing import Any

from suture.reporting.fusions import caution, spread, surely, trained

NAMES = {"patched": "patched", "plain": "without patches"}


def verdict(result: dict[str, Any]) -> str:
    """What came out in a sentence or two, without more certainty than the images and the seeds give."""
    return _sentence(result) + caution(result)


def _sentence(result: dict[str, Any]) -> str:
    own, plain = result["over_seeds"]["patched"], result["plain"]
    split = {"val": "validation"}.get(result["split"], result["split"])
    head = f"The network gets {spread(own)} of {result['n'][result['split']]} {split} images right"
    if plain is None:
        ask = " Whether the patches help, --controls would say." if result["patches"] else ""
        return f"{head}.{ask}"
    other = result["over_seeds"]["plain"]
    gain, seeds = own["mean"] - other["mean"], len(own["values"])
    if gain == 0:
        return f"{head}, as many as without the patches, {_alike(result)}."
    way = "gain" if gain > 0 else "lose"
    same = sum(value * gain > 0 for value in plain["gain"])
    over = f" (with {same} of {seeds} seeds)" if seeds > 1 else ""
    return (
        f"{head}; the patches {way} {abs(100 * gain):.2f} points over the same network without them, {_alike(result)}"
        f"{over}; on the images of the first seed {surely(plain, gain)} (McNemar, p = {plain['p_value']:.2g})."
    )


def _alike(result: dict[str, Any]) -> str:
    """What learnt in the patched network alone has no match in the other."""
    alone = sum(stage["epochs"] for stage in result["stages"] if set(stage["moves"]) == {"blocks"})
    return f"trained alike but for {alone} epochs of the blocks alone" if alone else "trained alike"


def spelled(change: dict[str, Any]) -> str:
    """The block of a change with its parameters and what else was asked of it."""
    words = [f"{name}={value}" for name, value in change.get("params", {}).items()]
    words += [f"position={change['position']}"] if "position" in change else []
    return " ".join([change["block"], *words, *(flag for flag in ("identity_start", "allow_change") if flag in change)])


def card(result: dict[str, Any], recipe: str) -> str:
    """README.md of the run folder."""
    count = result["parameters"]
    changes = "\n".join(
        f"| `{one['layer']}` | {one['operation']} | `{spelled(one)}` | {'×'.join(map(str, one['shape']))} | "
        f"{one['parameters_added']:,} |"
        for one in result["patches"]
    )
    patches = (
        f"| layer | what was done | block | at | parameters added |\n|---|---|---|---|---|\n{changes}"
        if result["patches"]
        else "No layer was changed."
    )
    n, split = result["n"][result["split"]], result["split"]
    accuracies = "\n".join(
        f"| {NAMES[what]} | {spread(told)} | {len(told['values'])} |" for what, told in result["over_seeds"].items()
    )
    before = result["before"]
    started = f"\nBefore any training it got {before['accuracy']:.2%} of the {split} images right.\n" if before else ""
    return f"""# A patched network

{verdict(result)}

`{result["network"]}`, now of {count["total"]:,} parameters ({count["added"]:+,} by its patches);
{count["trainable"]:,} learnt in the last stage.

{patches}

| | accuracy on {n} {split} images | seeds |
|---|---|---|
{accuracies}
{started}
{trained(result, recipe)}"""
