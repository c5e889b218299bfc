"""Stitch 200 pairs of networks of different families, anywhere, without a hint. See README.md."""

import argparse
import gc
import json
import os
import platform
import random
import warnings
from pathlib import Path
from typing import Any

import torch
from makers import ready
from run import RESULTS

import suture
from suture.hybrids import Parent, parent
from suture.runs import versions
from suture.spec.cut import Cut

MOST = 50_000_000


def pool(generator: random.Random) -> list[str]:
    """One network of each family, of at most 50 million parameters, whether or not ``run.py`` found cuts in it."""
    found = [json.loads(line) for line in (RESULTS / "models.jsonl").read_text().splitlines()]
    families: dict[str, list[str]] = {}
    for one in found:
        if one["parameters"] <= MOST:
            families.setdefault(one["family"], []).append(one["name"])
    return [generator.choice(names) for _, names in sorted(families.items())]


def draw(names: list[str], count: int, generator: random.Random) -> list[tuple[str, str]]:
    every = [(a, b) for a in names for b in names if a != b]
    return generator.sample(every, min(count, len(every)))


def stitched(a: Parent, b: Parent, kind: str, generator: random.Random) -> tuple[list[Cut], str]:
    """Stitch at random block cuts, run forwards and backwards; the cuts, and what went wrong, or nothing."""
    cuts: list[Cut] = []
    try:
        cuts += [generator.choice(side.cuts) for side in (a, b)]
        hybrid = suture.stitch(a, b, at=(cuts[0].name, cuts[1].name), adapter=kind).train()
        output = hybrid(a.example)
        output.square().mean().backward()
        wanted = b.network.eval()(b.example)
        grads = [parameter.grad for parameter in hybrid.adapters[0].parameters()]
        if output.shape != wanted.shape:
            return cuts, f"gives {tuple(output.shape)}, not {tuple(wanted.shape)}"
        if not output.isfinite().all() or any(grad is None or not grad.isfinite().all() for grad in grads):
            return cuts, "output or gradient is missing or not finite"
    except Exception as error:
        # Every pair must be told; what went wrong is the finding.
        return cuts, f"{type(error).__name__}: {error}"
    return cuts, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--adapter", default="linear")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    generator = random.Random(options.seed)
    pairs = draw(pool(generator), options.count, generator)
    known: dict[str, Parent] = {}
    left = [name for pair in pairs for name in pair]
    told: list[dict[str, Any]] = []
    for number, (first, second) in enumerate(pairs, 1):
        for name in (first, second):
            if name not in known:
                made = ready(name)
                known[name] = parent(made.network, made.images)
        a, b = known[first], known[second]
        cuts, problem = stitched(a, b, options.adapter, generator)
        places = {"at": [str(cut) for cut in cuts], "layouts": [str(cut.layout) for cut in cuts]}
        told.append({"a": first, "b": second, **places, "problem": problem})
        print(f"{number:3} {'NOT' if problem else 'ok '} {first} -> {second}: {told[-1]['at']} {problem}", flush=True)
        for name in (first, second):
            left.remove(name)
            if name not in left:
                known.pop(name, None)
        gc.collect()
    worked = sum(not one["problem"] for one in told)
    result = {
        "question": "do networks of any two families stitch, anywhere, without a hint?",
        "seed": options.seed,
        "adapter": options.adapter,
        "pairs": len(told),
        "networks": len({name for one in told for name in (one["a"], one["b"])}),
        "worked": worked,
        "share": f"{worked / len(told):.1%}",
        "failures": [one for one in told if one["problem"]],
        "layouts": sorted({" -> ".join(one["layouts"]) for one in told if not one["problem"]}),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
        "told": told,
    }
    Path(RESULTS / "pairs.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "told"}, indent=2))


if __name__ == "__main__":
    main()
