"""Activations computed again change nothing but what is kept meanwhile."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from raising import raises
from small import sample_split
from suture.data.examples import ImageExamples
from suture.errors import PlanError
from suture.sources import load
from suture.spec.stage import Stage
from suture.training import Moving, spans, train
from suture.training.recompute import recomputed


class Restless(nn.Module):
    """Dropout behind a layer with spectral norm, whose buffers change in every pass in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.utils.parametrizations.spectral_norm(nn.Linear(64, 10))

    def forward(self, x):
        return self.linear(self.dropout(x))


def resnet() -> nn.Module:
    network = load("zoo:resnet20@none")
    torch.manual_seed(0)
    network.body.fc = Restless()
    return network


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("moves", ["all", "layer3"])
def test_it_ends_with_the_same_weights_and_buffers(precision, moves):
    split, start, ended = sample_split(40), resnet(), []
    for again in (True, False):
        network = copy.deepcopy(start)
        plan = Stage(moves=("all",), epochs=2, batch_size=16, lr=1e-2, recompute=again, precision=precision)
        module = network if moves == "all" else network.body.layer3
        told = train(network, Moving([module], spans=spans(network.body)), plan, ImageExamples(split)).history
        ended.append((network.state_dict(), [epoch["loss"] for epoch in told]))
    (again, losses), (once, wanted) = ended
    assert losses == wanted
    assert all(torch.equal(tensor, again[name]) for name, tensor in once.items())
    moved = start.state_dict()
    changed = {name for name, tensor in once.items() if not torch.equal(tensor, moved[name])}
    assert any(name.startswith("layer3.1.bn1.running") for name in changed)
    assert any(name.startswith("layer1") for name in changed) == (moves == "all")


def kept_bytes(network: nn.Module, again: bool) -> int:
    """What one forward pass keeps for the backward pass, outside of what is computed again."""
    kept: dict[int, int] = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with recomputed(spans(network.body) if again else ()), saved_tensors_hooks(pack, lambda tensor: tensor):
        network.train()(torch.rand(16, 3, 32, 32)).sum()
    return sum(kept.values())


def test_it_keeps_less():
    network = load("zoo:resnet20@none")
    assert kept_bytes(network, True) < 0.4 * kept_bytes(network, False)


def test_nothing_of_it_stays():
    network = load("zoo:resnet20@none")
    block, forward = network.body.layer1[0], network.body.layer1[0].forward
    block.forward = lambda x: forward(x)  # one that somebody put there
    mine = block.forward
    with recomputed(spans(network.body)):
        assert block.forward is not mine
    assert block.forward is mine
    assert not any("forward" in module.__dict__ for module in network.modules() if module is not block)


@pytest.mark.parametrize(
    ("source", "count", "kinds"),
    [
        ("zoo:resnet20@none", 9, {"Block"}),
        ("torchvision:resnet18@none", 8, {"BasicBlock"}),
        ("torchvision:densenet121@none", 7, {"_DenseBlock", "_Transition"}),
        ("torchvision:mobilenet_v2@none", 20, {"InvertedResidual", "Conv2dNormActivation", "Sequential"}),
        ("torchvision:efficientnet_b0@none", 19, {"MBConv", "Conv2dNormActivation", "Sequential"}),
        ("torchvision:squeezenet1_1@none", 9, {"Fire", "Sequential"}),
        ("torchvision:vit_b_16@none", 13, {"EncoderBlock", "Sequential"}),
        ("zoo:tiny10@none", 0, set()),
    ],
)
def test_spans_are_the_blocks(source, count, kinds):
    network = load(source)
    found = spans(network.body)
    assert {type(module).__name__ for module in found} == kinds
    assert len(found) == count
    inside = [part for module in found for part in module.modules()]
    assert len(inside) == len(set(inside))


def test_blocks_that_take_lists_run_once():
    """Their caller may append to the list, as that of DenseNet's layers does."""

    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, given):
            return self.linear(sum(given))

    summed = Summed()
    given = [torch.rand(2, 3), torch.rand(2, 3)]
    with recomputed([summed]):
        out = summed(given)
        given.append(torch.full((2, 3), torch.nan))
        out.sum().backward()
    assert torch.isfinite(summed.linear.weight.grad).all()


def test_a_block_that_changes_its_input_is_refused():
    split = sample_split(8)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.SiLU(inplace=True), nn.Flatten(), nn.Linear(3600, 10)))
    plan = Stage(moves=("all",), epochs=1, recompute=True)
    with raises(PlanError, "changes its input in place", "no --recompute"):
        train(network, Moving([network], spans=spans(network)), plan, ImageExamples(split))
