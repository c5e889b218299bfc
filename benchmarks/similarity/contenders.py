"""The ways to compare all blocks of two networks, the forward pass alone, and the values by hand."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models import efficientnet_b0, resnet18

BATCH = 256
Work = Callable[[Tensor], Tensor | None]


class Side(NamedTuple):
    """A network and the modules of it that are compared, in the order in which they run."""

    network: nn.Module
    layers: tuple[str, ...]


def networks(images: Tensor, calibrated: bool = True) -> tuple[Side, Side]:
    """ResNet-18 and EfficientNet-B0 with random weights, and their 8 and 16 blocks.

    ``calibrated`` sets the statistics of the batch norms by these images: without, those of a fresh EfficientNet-B0
    let its activations shrink to 1e-14.
    """
    torch.manual_seed(0)
    pair = (Side(network, blocks(network)) for network in (resnet18(weights=None), efficientnet_b0(weights=None)))
    a, b = (Side(network.eval(), layers) for network, layers in pair)
    if calibrated:
        for network, _ in (a, b):
            calibrate(network, images)
    return a, b


def blocks(network: nn.Module) -> tuple[str, ...]:
    return tuple(name for name, part in network.named_modules() if type(part).__name__ in ("BasicBlock", "MBConv"))


@torch.no_grad()
def calibrate(network: nn.Module, images: Tensor) -> None:
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    network(images)
    for norm in norms:
        norm.eval()


class Batches(Dataset[tuple[Tensor]]):
    """Whole batches, so that no contender pays for stacking images."""

    def __init__(self, images: Tensor) -> None:
        self.batches = images.split(BATCH)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Tensor]:
        return (self.batches[index],)


def loader(images: Tensor) -> DataLoader[tuple[Tensor]]:
    return DataLoader(Batches(images), batch_size=None)


def forward(a: Side, b: Side) -> Work:
    @torch.no_grad()
    def work(images: Tensor) -> None:
        for (batch,) in loader(images):
            a.network(batch)
            b.network(batch)

    return work


def suture(a: Side, b: Side) -> Work:
    from suture.graph import trace
    from suture.measures import Comparison, compare_pairs, find, look

    example = torch.zeros(3, 3, 32, 32)
    sides = [look(trace(side.network, example), name, side.layers, example) for side, name in ((a, "a"), (b, "b"))]
    measure = find(f"cka_linear_minibatch_bs{BATCH}")

    def work(images: Tensor) -> Tensor:
        (found,) = compare_pairs(Comparison(*sides, (measure,), len(images)), images.split)
        return torch.tensor([[torch.nan if value is None else value for value in row] for row in found.values])

    return work


def pytorch_cka(a: Side, b: Side) -> Work:
    from cka import compute_cka

    def work(images: Tensor) -> Tensor:
        (found,) = compute_cka(
            a.network,
            b.network,
            loader(images),
            layers=a.layers,
            model2_layers=b.layers,
            device="cpu",
            progress=False,
        )
        return found

    return work


def torch_cka(a: Side, b: Side) -> Work:
    """As its README has it: gradients are not switched off, by it or for it."""
    from torch_cka import CKA

    found = CKA(a.network, b.network, "a", "b", list(a.layers), list(b.layers))

    def work(images: Tensor) -> Tensor:
        found.compare(loader(images), loader(images))
        return found.export()["CKA"].detach()

    return work


def torch_cka_no_grad(a: Side, b: Side) -> Work:
    return torch.no_grad()(torch_cka(a, b))


def by_hand(a: Side, b: Side) -> Work:
    """Minibatch CKA (arXiv 2010.15327, equations 2 to 4) of copies made at the hooks, in float64."""

    @torch.no_grad()
    def work(images: Tensor) -> Tensor:
        sums = 0
        for batch in images.split(BATCH):
            grams = torch.stack([gram(layer) for side in (a, b) for layer in copies(side, batch)])
            sums = sums + hsic(grams)
        scale = sums.diagonal().sqrt()
        return (sums / scale[:, None] / scale)[: len(a.layers), len(a.layers) :]

    return work


def copies(side: Side, batch: Tensor) -> Iterator[Tensor]:
    kept: dict[str, Tensor] = {}
    hooks = [
        side.network.get_submodule(name).register_forward_hook(
            lambda _module, _args, result, name=name: kept.__setitem__(name, result.double())
        )
        for name in side.layers
    ]
    side.network(batch)
    for hook in hooks:
        hook.remove()
    return (kept[name] for name in side.layers)


def gram(layer: Tensor) -> Tensor:
    X = layer.flatten(1)
    X = X - X.mean(0)  # which HSIC₁ does not see, but rounding does
    return (X @ X.T).fill_diagonal_(0)


def hsic(grams: Tensor) -> Tensor:
    """HSIC₁ of every two of the matrices (layers, n, n), whose diagonals are 0."""
    n, sums = grams.shape[-1], grams.sum(-1)
    total = sums.sum(-1)
    flat = grams.flatten(1)
    traces = flat @ flat.T + total[:, None] * total / ((n - 1) * (n - 2)) - 2 / (n - 2) * sums @ sums.T
    return traces / (n * (n - 3))


CONTENDERS: dict[str, Callable[[Side, Side], Work]] = {
    "forward": forward,
    "suture": suture,
    "pytorch-cka": pytorch_cka,
    "torch-cka": torch_cka,
    "torch-cka under no_grad": torch_cka_no_grad,
}


def apart(found: Tensor, right: Tensor) -> float:
    """The greatest difference of two matrices, of entries that are numbers in both; nan where none is."""
    differences = (found.double() - right.double()).abs()
    return max(differences[differences.isfinite()].tolist(), default=torch.nan)
