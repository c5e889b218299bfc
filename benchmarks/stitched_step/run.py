"""One training step of a stitch three ways, in turn. See README.md."""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import suture
from suture.data.load import load_data
from suture.runs import versions

HERE = Path(__file__).parent
PAIRS = (
    ("zoo:tiny10-a", "zoo:tiny10-b", "relu2:relu2"),
    ("zoo:tiny10-a", "zoo:tiny10-b", "relu5:relu5"),
    ("zoo:resnet20-a", "zoo:resnet20-b", "layer1.2:layer1.2"),
    ("zoo:resnet20-a", "zoo:resnet20-b", "layer3.0:layer3.0"),
)
BATCH = 128


class Hooked(nn.Module):
    """Both networks whole, the first one's activation put into the second by hooks."""

    def __init__(self, a: nn.Module, b: nn.Module, x: str, y: str, adapter: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.adapter = a, b, adapter
        self.caught = torch.empty(0)
        a.get_submodule(f"body.{x}").register_forward_hook(self.catch)
        b.get_submodule(f"body.{y}").register_forward_hook(self.put)

    def catch(self, _module: nn.Module, _given: object, output: Tensor) -> None:
        self.caught = output

    def put(self, *_: object) -> Tensor:
        return self.adapter(self.caught)

    def forward(self, images: Tensor) -> Tensor:
        self.a(images)
        return self.b(images)


def step(model: nn.Module, inputs: Tensor, labels: Tensor, adapter: nn.Module) -> Callable[[], float]:
    optimizer = torch.optim.Adam(adapter.parameters(), 0.0)

    def once() -> float:
        loss = F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return once


def halves(
    encoder: nn.Module, decoder: nn.Module, given: Tensor, inputs: Tensor, labels: Tensor
) -> Callable[[], float]:
    def once() -> float:
        encoder(inputs)
        start = given.detach().requires_grad_()
        loss = F.cross_entropy(decoder(start), labels)
        loss.backward()
        return loss.item()

    return once


def alone(adapter: nn.Module, activation: Tensor, gradient: Tensor) -> Callable[[], float]:
    optimizer = torch.optim.Adam(adapter.parameters(), 0.0)

    def once() -> float:
        optimizer.zero_grad()
        adapter(activation).backward(gradient)
        optimizer.step()
        return 0.0

    return once


def timed(work: dict[str, Callable[[], float]], repeat: int) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeat + 2):
        for name, once in work.items():
            start = time.process_time()
            once()
            if turn >= 2:
                times[name].append(time.process_time() - start)
    return {name: median(found) for name, found in times.items()}


def measure(a: str, b: str, at: str, repeat: int) -> dict[str, object]:
    x, y = at.split(":")
    images, labels = next(load_data("sample").train.batches(BATCH))
    hybrid = suture.stitch(a, b, (x, y), images=images)
    adapter = hybrid.adapter
    networks = [suture.load(source).requires_grad_(False) for source in (a, b)]
    with torch.no_grad():
        activation = hybrid.encoder(images)
        given = adapter(activation)
    work = {
        "hooks": step(Hooked(*networks, x, y, adapter), images, labels, adapter),
        "stitched": step(hybrid, images, labels, adapter),
        "cached": step(hybrid.tail, activation, labels, adapter),
        "halves": halves(hybrid.encoder, hybrid.decoder, given, images, labels),
    }
    losses = {name: once() for name, once in work.items()}
    assert max(losses.values()) - min(losses.values()) < 1e-4, losses
    work["adapter"] = alone(adapter, activation, torch.ones_like(given))
    found = timed(work, repeat)
    return {
        "stitch": f"{a} -> {b} at {at}",
        "stitched_over_needed": round(found["stitched"] / (found["halves"] + found["adapter"]), 3),
        "stitched_over_hooks": round(found["stitched"] / found["hooks"], 3),
        "cached_over_hooks": round(found["cached"] / found["hooks"], 3),
        "cpu_seconds": {name: round(seconds, 4) for name, seconds in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    result = {
        "question": "what does a training step of a stitch cost beside one that runs both whole networks with hooks?",
        "batch": BATCH,
        "stitches": [measure(*pair, options.repeat) for pair in PAIRS],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads used",
        "versions": versions(),
    }
    print(json.dumps(result, indent=2))
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "cpu.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
