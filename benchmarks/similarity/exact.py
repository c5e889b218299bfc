"""Where the ways to compare differ, and which is right. See README.md."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from contenders import BATCH, CONTENDERS, Side, apart, by_hand, networks
from torch import Tensor, nn

from suture.data.load import load_data

HERE = Path(__file__).parent
METHODS = ("suture", "pytorch-cka", "torch-cka")


def cases(images: Tensor) -> Iterator[tuple[str, Side, Side, Tensor]]:
    """What is hard about it, two networks, and what they are given."""
    a, b = networks(images[:BATCH])
    yield "none: blocks", a, b, images
    yield (
        "batch norms before an in-place ReLU, SiLU or addition",
        Side(a.network, ("bn1", "layer1.0.bn1", "layer1.0.bn2")),
        Side(b.network, ("features.0.1", "features.2.1.block.0.1", "features.2.1.block.3.1")),
        images,
    )
    yield "blocks of an EfficientNet-B0 as it is initialised: activations down to 1e-14", a, fresh(images), images
    for factor in (1e-12, 1, 1e12):
        yield f"activations times {factor:g}", maps(1, factor), maps(2, factor), images
    yield "a mean of hundreds of times the spread", maps(1, offset=1e3), maps(2, offset=1e3), images
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    yield "unrelated layers: two channels of noise", maps(1, sees=0), maps(2, sees=1), noise


def fresh(images: Tensor) -> Side:
    return networks(images, calibrated=False)[1]


def maps(seed: int, factor: float = 1.0, offset: float = 0.0, sees: int | None = None) -> Side:
    """Eight random maps of the images, or of one of their channels, side by side."""
    torch.manual_seed(seed)
    network = nn.ModuleDict({f"map{k}": nn.Conv2d(3, 8, 8, 8) for k in range(8)})
    for part in network.values():
        part.weight.data *= factor
        part.bias.data.fill_(offset * factor * 0.1)
        if sees is not None:
            part.weight.data[:, [channel for channel in range(3) if channel != sees]] = 0
    return Side(Parallel(network).eval(), tuple(f"maps.{name}" for name in network))


class Parallel(nn.Module):
    def __init__(self, maps: nn.ModuleDict) -> None:
        super().__init__()
        self.maps = maps
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        found = [part(images) for part in self.maps.values()]
        return self.head(torch.stack(found).sum(0).mean((2, 3)))


def tried(method: str, a: Side, b: Side, images: Tensor, right: Tensor) -> dict[str, object]:
    try:
        found = CONTENDERS[method](a, b)(images)
    except (AssertionError, ValueError) as error:
        return {"fails": str(error)}
    assert found is not None
    finite = found.isfinite()
    wrong = (found.double() - right).abs() > 1e-4
    return {
        "greatest_difference": apart(found, right) if finite.any() else None,
        "wrong_by_1e-4": int((wrong & finite).sum()),
        "no_number": int((~finite).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="sample", metavar="npz:PATH")
    data = load_data(parser.parse_args().data)
    torch.set_num_threads(1)
    told = []
    for name, a, b, images in cases(next(data.test.batches(2 * BATCH))[0]):
        right = by_hand(a, b)(images)
        assert right is not None
        told.append(
            {
                "case": name,
                "values": right.numel(),
                "range": [round(right.min().item(), 4), round(right.max().item(), 4)],
                **{method: tried(method, a, b, images, right) for method in METHODS},
            }
        )
        print(json.dumps(told[-1]), flush=True)
    (HERE / "results" / "exact.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    main()
