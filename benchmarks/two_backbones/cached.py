"""What an epoch of the first stage costs with kept features, as a share of one without. See README.md."""

import json
import os
import platform
import time
from pathlib import Path
from statistics import median

import torch
from task import arguments, folder, sources

import suture
from suture.data.cache import cache_activations
from suture.data.examples import ImageExamples
from suture.data.load import load_data
from suture.runs import versions
from suture.spec.stage import Stage
from suture.training import Examples, Moving, train

HERE = Path(__file__).parent


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    fusion = suture.fuse(sources(options), num_classes=4)
    split = load_data(f"folder:{folder(options)}", size=96).with_validation().train
    stage = Stage(moves=("head",), epochs=1, batch_size=32)

    start = time.perf_counter()
    cached = cache_activations(fusion.encoder, split)
    assert cached is not None
    filling = time.perf_counter() - start

    def epoch(model: torch.nn.Module, examples: Examples) -> float:
        start = time.perf_counter()
        train(model, Moving([fusion.head]), stage, examples)
        return time.perf_counter() - start

    epoch(fusion.tail, cached)
    pairs = [(epoch(fusion.tail, cached), epoch(fusion, ImageExamples(split))) for _ in range(options.repeat)]
    with_cache, without = (median(times) for times in zip(*pairs, strict=True))
    result = {
        "question": "what does an epoch of the head cost with kept features, as a share of one without?",
        "share": round(with_cache / without, 4),
        "images": len(split),
        "seconds_an_epoch": {"cached": round(with_cache, 3), "uncached": round(without, 3)},
        "seconds_to_keep_the_features": round(filling, 3),
        "pairs": [[round(time, 3) for time in pair] for pair in pairs],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }
    print(json.dumps(result, indent=2))
    (HERE / "results" / "cached.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
