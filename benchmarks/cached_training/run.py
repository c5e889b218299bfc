"""Epochs of adapter training with and without cached activations, in turn. See README.md."""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from statistics import median

import torch

import suture
from suture.data.cache import cache_activations
from suture.data.examples import ImageExamples
from suture.data.load import load_data
from suture.runs import versions
from suture.spec.stage import Stage
from suture.training import Examples, Moving, train

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--a", default="zoo:resnet20-a")
    parser.add_argument("--b", default="zoo:tiny10-a")
    parser.add_argument("--at", default="layer3.1:relu7")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()

    x, y = options.at.split(":")
    hybrid = suture.stitch(options.a, options.b, (x, y))
    split = load_data("sample").with_validation().train
    stage = Stage(epochs=1)

    start = time.perf_counter()
    cached = cache_activations(hybrid.encoder, split)
    assert cached is not None
    filling = time.perf_counter() - start

    def epoch(model: torch.nn.Module, examples: Examples) -> float:
        return float(train(model, Moving([hybrid.adapter]), stage, examples).history[0]["seconds"])

    images = ImageExamples(split)
    epoch(hybrid.tail, cached), epoch(hybrid, images)
    pairs = [(epoch(hybrid.tail, cached), epoch(hybrid, images)) for _ in range(options.repeat)]
    with_cache, without = (median(times) for times in zip(*pairs, strict=True))
    result = {
        "question": "how much faster is an epoch of adapter training with cached activations?",
        "hybrid": f"{options.a} -> {options.b} at {options.at}",
        "images": len(split),
        "ratio": round(without / with_cache, 2),
        "seconds_an_epoch": {"cached": round(with_cache, 4), "uncached": round(without, 4)},
        "seconds_to_fill_the_cache": round(filling, 4),
        "pairs": [[round(time, 4) for time in pair] for pair in pairs],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }
    print(json.dumps(result, indent=2))
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "cpu.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
