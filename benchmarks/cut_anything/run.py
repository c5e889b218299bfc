"""Cut every network of models.txt everywhere. See README.md."""

import argparse
import gc
import json
import os
import platform
import subprocess
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from law import BLOCKS, Finding, check
from makers import family, ready

from suture.runs import versions

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LIST = HERE / "models.txt"


def names() -> list[str]:
    """The published list."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def examine(name: str, fine: int | None) -> Finding:
    try:
        made = ready(name)
        found = check(name, made.network, made.images, fine)
    except Exception as error:
        # The list must be told to its end; what went wrong is the finding.
        found = Finding(name, failure=f"{type(error).__name__}: {error}")
    found.family = family(name)
    return found


def commit() -> str:
    """The commit that is checked out, short."""
    told = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), cwd=HERE, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    enough = [one for one in found if one["block_cuts"] >= BLOCKS]
    return {
        "question": "can every network be cut, anywhere, and be itself again?",
        "networks": len(found),
        "families": dict(Counter(name.partition(".")[0] for name in {one["family"] for one in found})),
        "with_4_block_cuts_or_more": f"{len(enough) / len(found):.2%}",
        "tracers": dict(Counter(one["tracer"] or "none" for one in found)),
        "lawful": sum(one["lawful"] for one in found),
        "cuts_tried": sum(one["tried"] for one in found),
        "largest_gap": {mode: max(one[f"gap_{mode}"] for one in found) for mode in ("eval", "train")},
        "median_block_cuts": sorted(one["block_cuts"] for one in found)[len(found) // 2],
        "fewer_than_4_block_cuts": {one["name"]: one["block_cuts"] for one in found if one["block_cuts"] < BLOCKS},
        "unlawful": {one["name"]: one["failure"] or one["worst_cut"] for one in found if not one["lawful"]},
        "commits": dict(Counter(one["code"] for one in found)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="networks whose name contains this; nothing is stored")
    parser.add_argument("--fine", type=int, default=4, help="cuts tried beside the block cuts; -1: all")
    parser.add_argument("--again", action="store_true", help="forget what is stored")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    store = RESULTS / "models.jsonl"
    RESULTS.mkdir(exist_ok=True)
    if options.again:
        store.unlink(missing_ok=True)
    known = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    found = [] if options.only else [one for one in known if one["name"] in names()]
    done = {one["name"] for one in found}
    for name in names():
        if name in done or options.only not in name:
            continue
        one = examine(name, None if options.fine < 0 else options.fine).as_dict() | {"code": commit()}
        found.append(one)
        print(
            f"{'ok ' if one['lawful'] else 'NOT'} {name:48} {one['tracer']:6} {one['side']:4} px "
            f"{one['block_cuts']:3} block {one['fine_cuts']:4} fine  {one['failure'][:120]}",
            flush=True,
        )
        if not options.only:
            with store.open("a", encoding="utf-8") as file:
                file.write(json.dumps(one) + "\n")
        gc.collect()
    told = summary(found)
    print(json.dumps(told, indent=2))
    if not options.only:
        (RESULTS / "summary.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
