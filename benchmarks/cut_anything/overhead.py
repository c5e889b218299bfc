"""What cutting costs in time: hybrids, rebuilt networks, tracing. See README.md."""

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from makers import awake
from run import RESULTS
from torch import nn
from torchvision import models

import suture
from suture.graph import trace
from suture.runs import versions

WHOLE = ("resnet50", "mobilenet_v2", "swin_t", "vit_b_16")
HYBRIDS = (
    ("resnet50", "layer2.3", "swin_t", "features.3.1"),
    ("swin_t", "features.3.1", "densenet121", "features.transition2"),
)


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], repeat: int) -> dict[str, Any]:
    """Both in turn, which of them is first changing; the median of the ratios of neighbours."""
    ours(), theirs()
    times = []
    for number in range(repeat):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        seconds = {}
        for call in order:
            start = time.perf_counter()
            call()
            seconds[call] = time.perf_counter() - start
        times.append((seconds[ours], seconds[theirs]))
    return {
        "ratio": round(median(a / b for a, b in times), 4),
        "seconds": [round(median(column), 4) for column in zip(*times, strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=25)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    images = torch.rand(2, 3, 224, 224)
    result: dict[str, Any] = {"question": "what does cutting cost in time?", "hybrid": {}, "rebuilt": {}}
    with torch.no_grad():
        for a, x, b, y in HYBRIDS:
            networks = (awake(models.get_model(name)) for name in (a, b))
            hybrid = suture.stitch(*networks, at=(x, y), example=images)
            encoder, adapter, decoder = hybrid.encoder, hybrid.adapter, hybrid.decoder
            result["hybrid"][f"{a} {x} -> {b} {y}"] = paired(
                lambda h=hybrid: h(images), lambda e=encoder, t=adapter, d=decoder: d(t(e(images))), options.repeat
            )
        for name in WHOLE:
            network = awake(models.get_model(name))
            traced = trace(network, images)
            cut = traced.cuts()[len(traced.cuts()) // 2].name
            rebuilt = nn.Sequential(*traced.split(cut)).eval()
            result["rebuilt"][f"{name} at {cut}"] = paired(
                lambda r=rebuilt: r(images), lambda n=network: n(images), options.repeat
            )
    network = models.resnet50()
    result["trace_against_four_builds"] = {
        "resnet50": paired(
            lambda: trace(network, images).cuts(), lambda: [models.resnet50() for _ in range(4)], min(options.repeat, 9)
        )
    }
    result["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used"
    result["versions"] = versions()
    print(json.dumps(result, indent=2))
    (RESULTS / "overhead.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
