"""All pairs of 8 and 16 blocks, three ways, against the forward pass alone. See README.md."""

import argparse
import json
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import contenders
import torch
from torch import Tensor

from suture.data.load import load_data
from suture.runs import versions

HERE = Path(__file__).parent
Runs = dict[str, list[dict[str, Any]]]


class Worker:
    """One contender in a process of its own, which holds the networks and the images and works when asked."""

    def __init__(self, name: str, *holds: Any) -> None:
        self.pool = ProcessPoolExecutor(1, get_context("spawn"), _start, (name, *holds))

    def __call__(self, count: int) -> dict[str, Any]:
        return self.pool.submit(_work, count).result()


def _start(name: str, data: str, count: int, channels_last: bool) -> None:
    global IMAGES, WORK, FLOOR, BEFORE, READY, PEAK
    torch.set_num_threads(1)
    IMAGES = images(data, count)
    sides = contenders.networks(IMAGES[: contenders.BATCH])
    if channels_last:
        for network, _ in sides:
            network.to(memory_format=torch.channels_last)
    FLOOR = contenders.forward(*deepcopy(sides))
    BEFORE, PEAK = forget(), {}
    start = time.process_time()
    WORK = (contenders.CONTENDERS | {"by hand": contenders.by_hand})[name](*sides)
    READY = time.process_time() - start


def _work(count: int) -> dict[str, Any]:
    """The forward pass alone runs after the work, in the same process: processes differ by up to a tenth."""
    seconds, values = cpu_seconds(WORK, count)
    PEAK.setdefault(count, round(resident() - BEFORE, 1))
    floor, _ = cpu_seconds(FLOOR, count)
    return {"seconds": seconds, "floor": floor, "values": values, "ready": READY, "mib": PEAK[count]}


def cpu_seconds(work: contenders.Work, count: int) -> tuple[float, Tensor | None]:
    start = time.process_time()
    values = work(IMAGES[:count])
    return time.process_time() - start, values


def images(data: str, count: int) -> Tensor:
    return torch.cat([batch for batch, _ in load_data(data).test.first(count).batches(count)])


def forget() -> float:
    """Forget the peak of loading, on Linux, and say in MiB what is resident now."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return resident()


def resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20


def race(names: list[str], holds: tuple[Any, ...], counts: list[int], rounds: int, processes: int) -> dict[int, Runs]:
    """The contenders in turn, each round in another order, in fresh processes, which a first call warms up."""
    found: dict[int, Runs] = {count: {name: [] for name in names} for count in counts}
    for number in range(processes):
        workers = {name: Worker(name, *holds) for name in names}
        for count in counts:
            for turn in range(rounds + (count == counts[0])):
                start = (number + turn) % len(names)
                for name in names[start:] + names[:start]:
                    run = workers[name](count)
                    if turn >= (count == counts[0]):
                        found[count][name].append(run)
        for worker in workers.values():
            worker.pool.shutdown()
    return found


def summed_up(count: int, found: Runs) -> dict[str, Any]:
    over = {name: [run["seconds"] / run["floor"] for run in runs] for name, runs in found.items()}
    peers = [name for name in found if name not in ("forward", "suture")]
    return {
        "images": count,
        "over_forward": {name: told(each) for name, each in over.items()},
        "over_suture": {name: told([a / b for a, b in zip(over[name], over["suture"], strict=True)]) for name in peers},
        "peak_mib": {name: median(run["mib"] for run in runs) for name, runs in found.items()},
        "ready_seconds": {name: round(median(run["ready"] for run in runs), 2) for name, runs in found.items()},
        "cpu_seconds": {
            name: [[round(run["seconds"], 2), round(run["floor"], 2)] for run in runs] for name, runs in found.items()
        },
    }


def told(found: list[float]) -> dict[str, float]:
    low, middle, high = quantiles(found, n=4, method="inclusive")
    return {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}


def differences(found: Runs, right: Tensor) -> dict[str, Any]:
    values = {name: runs[0]["values"] for name, runs in found.items() if runs[0]["values"] is not None}
    return {
        "from_by_hand": {name: contenders.apart(each, right) for name, each in values.items()},
        "from_suture": {
            name: contenders.apart(each, values["suture"]) for name, each in values.items() if name != "suture"
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="sample", metavar="npz:PATH")
    parser.add_argument("--images", type=int, nargs="+", default=[2048, 8192])
    parser.add_argument("--rounds", type=int, default=2, help="in each process")
    parser.add_argument("--processes", type=int, default=5, help="of each contender, one after the other")
    parser.add_argument("--channels-last", action="store_true", help="networks in this memory format")
    parser.add_argument("--only", nargs="+", choices=contenders.CONTENDERS, default=[*contenders.CONTENDERS])
    parser.add_argument("--into", default="", metavar="NAME", help="of the file in results")
    parser.add_argument("--quick", action="store_true", help="512 images, 2 processes, nothing written")
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"

    counts, rounds, processes = ([512], 2, 2) if options.quick else (options.images, options.rounds, options.processes)
    holds = (options.data, max(counts), options.channels_last)
    found = race(options.only, holds, counts, rounds, processes)
    hand = Worker("by hand", *holds)
    result = {
        "question": "what does it cost to compare all blocks of two networks, beside running them?",
        "networks": "torchvision resnet18 (8 blocks) x efficientnet_b0 (16 blocks), random weights, calibrated",
        "data": f"{options.data.partition(':')[0]}, test images, 32 px",
        "batch": contenders.BATCH,
        "memory_format": "channels last" if options.channels_last else "contiguous",
        "races": [
            summed_up(count, runs) | {"greatest_difference": differences(runs, hand(count)["values"])}
            for count, runs in found.items()
        ],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread used",
        "versions": versions() | {name: version(name) for name in ("pytorch-cka", "torch-cka", "torchvision")},
    }
    hand.pool.shutdown()
    print(json.dumps(result, indent=2))
    if not options.quick:
        name = f"{options.into or ('cpu-channels-last' if options.channels_last else 'cpu')}.json"
        (HERE / "results" / name).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
