"""Patch every stage of every network of the list. See README.md."""

import argparse
import gc
import json
import os
import platform
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import timm
import torch
from patching import examine, family

from suture import HybridBuilder
from suture.runs import versions

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LIST = HERE.parent / "cut_anything" / "models.txt"
MOST = 100_000_000
TABLE = "<!-- results -->\n"


def names() -> list[str]:
    """All classifiers of torchvision, and of every third file of timm the first of cut_anything: its smallest.

    Files whose smallest has over 100 million parameters are left out, for time.
    """
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("timm:")]
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(family(line), line)
    return [
        *(f"torchvision:{name}" for name in HybridBuilder.list_backbones()),
        *filter(_light, list(first.values())[::3]),
    ]


def _light(source: str) -> bool:
    with torch.device("meta"):
        network = timm.create_model(source.partition(":")[2])
    return sum(parameter.numel() for parameter in network.parameters()) <= MOST


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    by_library = {
        library: [one for one in found if one["name"].startswith(library)] for library in ("torchvision", "timm")
    }
    return {
        "question": "does every network take blocks on every stage, and stay itself without them?",
        "networks": {library: len(own) for library, own in by_library.items()},
        "good": {library: sum(one["good"] for one in own) for library, own in by_library.items()},
        "families": {library: len({one["family"] for one in own}) for library, own in by_library.items()},
        "blocks": sum(one["blocks"] for one in found),
        "heard": sum(one["heard"] for one in found),
        "largest_identity_gap": max((one["identity_gap"] for one in found if not one["failure"]), default=None),
        "stages": dict(sorted(Counter(len(one["stages"]) for one in found if not one["failure"]).items())),
        "not_good": {one["name"]: one["failure"] or "see models.jsonl" for one in found if not one["good"]},
        "seconds": round(sum(one["seconds"] for one in found)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {os.environ.get('OMP_NUM_THREADS', 'all')} threads",
        "versions": versions(),
    }


def table(found: list[dict[str, Any]]) -> str:
    """A row a family: networks, good ones, blocks whose weights are heard, and the stages of its first network."""
    rows = ["| family | good | blocks heard | stages of | rows of its maps |", "|---|---|---|---|---|"]
    families: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        families.setdefault(one["family"], []).append(one)
    for name, own in families.items():
        sizes = ", ".join(str(shape[1]) if len(shape) == 3 else f"({shape[0]})" for shape in own[0]["shapes"])
        heard = f"{sum(one['heard'] for one in own)} of {sum(one['blocks'] for one in own)}"
        good = f"{sum(one['good'] for one in own)} of {len(own)}"
        rows.append(f"| {name} | {good} | {heard} | {own[0]['name'].partition(':')[2]} | {sizes} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="networks whose name contains this; nothing is stored")
    parser.add_argument("--again", action="store_true", help="forget what is stored")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    store = RESULTS / "models.jsonl"
    RESULTS.mkdir(exist_ok=True)
    if options.again:
        store.unlink(missing_ok=True)
    wanted = names()
    known = [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []
    found = [] if options.only else [one for one in known if one["name"] in wanted]
    done = {one["name"] for one in found}
    for name in wanted:
        if name in done or options.only not in name:
            continue
        one = examine(name).as_dict()
        found.append(one)
        print(
            f"{'ok ' if one['good'] else 'NOT'} {name:48} {one['seconds']:6} s {one['side']:4} px "
            f"{one['heard']}/{one['blocks']} {one['shapes']} {one['failure'][:160]}",
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
        page = HERE / "README.md"
        head, _, _ = page.read_text(encoding="utf-8").partition(TABLE)
        page.write_text(f"{head}{TABLE}{table(found)}", encoding="utf-8")


if __name__ == "__main__":
    main()
