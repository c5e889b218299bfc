"""A streaming fit against numpy's pseudo-inverse on stored activations, and its memory. See README.md."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

import suture
from suture.adapters import AdapterSpec, build, fit
from suture.data.load import load_data
from suture.hybrids import parent
from suture.runs import versions

HERE = Path(__file__).parent
AT, BATCH = "bn1", 250


def pair() -> tuple[str, str, str]:
    """A name for the record and the two sources."""
    shared = Path(os.environ.get("SUTURE_SHARED") or HERE.parents[2] / "shared")
    files = [shared / "weights" / f"tiny10-in{k}.safetensors" for k in (0, 1)]
    if all(file.is_file() for file in files):
        return "tiny10-in0 -> tiny10-in1", *(f"zoo:tiny10@{file}" for file in files)
    return "tiny10-a -> tiny10-b", "zoo:tiny10-a", "zoo:tiny10-b"


@torch.no_grad()
def timed(data: str, count: int, repeat: int) -> dict[str, Any]:
    name, *sources = pair()
    sides = [parent(source) for source in sources]
    cuts = [side.traced.find(AT) for side in sides]
    encoders = [side.traced.split(AT)[0].eval() for side in sides]
    split = load_data(data).train.first(count)
    seen = [[encoder(images) for encoder in encoders] for images, _ in split.batches(BATCH)]
    xs, ys = (torch.cat(side) for side in zip(*seen, strict=True))
    X, Y = (rows(side).double().numpy() for side in (xs, ys))
    X = np.column_stack([X, np.ones(len(X))])

    def ours() -> Tensor:
        adapter = build(AdapterSpec(), *cuts)
        fit(adapter, zip(xs.split(BATCH), ys.split(BATCH), strict=True))
        return torch.cat([adapter.map.weight.flatten(1), adapter.map.bias[:, None]], 1).T

    def theirs() -> Tensor:
        return torch.from_numpy(np.linalg.pinv(X) @ Y)

    found = []
    for _ in range(repeat):
        (a, mine), (b, pinv) = cpu_seconds(ours), cpu_seconds(theirs)
        found.append((a, b, (mine.double() - pinv).abs().max().item()))
    return {
        "networks": f"{name} at {AT}",
        "images": count,
        "rows": len(X),
        "ratio": round(median(b / a for a, b, _ in found), 2),
        "cpu_seconds": {
            "fit": round(median(a for a, _, _ in found), 3),
            "pinv": round(median(b for _, b, _ in found), 3),
        },
        "greatest_difference": max(difference for _, _, difference in found),
        "pairs": [[round(a, 3), round(b, 3)] for a, b, _ in found],
    }


def rows(x: Tensor) -> Tensor:
    return x.movedim(1, -1).flatten(0, -2)


def cpu_seconds(call: Any) -> tuple[float, Tensor]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def peak(data: str, count: int) -> None:
    """Print the greatest resident memory in MiB before and after a fit over ``count`` images. For a fresh process."""
    _, a, b = pair()
    split = load_data(data).train.first(count)
    forget = Path("/proc/self/clear_refs")  # on Linux: loading reaches more than a fit does, and would hide it
    if forget.exists():
        forget.write_text("5")
    before = resident()
    suture.stitch(a, b, (AT, AT), images=(images for images, _ in split.batches(BATCH)))
    print(json.dumps({"images": len(split), "before_mib": before, "peak_mib": resident()}))


def fresh(data: str, count: int) -> dict[str, float]:
    """What :func:`peak` prints in a process of its own."""
    command = [sys.executable, __file__, "--data", data, "--peak", str(count)]
    told: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return told


def resident() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, metavar="npz:PATH")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--memory", type=int, nargs=2, default=(2000, 50000), metavar=("FEW", "MANY"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        peak(options.data, options.peak)
        return

    peaks = [fresh(options.data, count) for _ in range(options.repeat) for count in options.memory]
    with threadpool_limits(1):
        fitted = timed(options.data, options.images, options.repeat)
    few, many = (median(told["peak_mib"] for told in peaks[k::2]) for k in (0, 1))
    result = {
        "question": "what does a streaming closed-form fit save?",
        "time": fitted,
        "memory": {"ratio": round(many / few, 4), "processes": peaks},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }
    print(json.dumps(result, indent=2))
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "cpu.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
