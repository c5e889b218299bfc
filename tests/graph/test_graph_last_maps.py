"""The last map of every branch, found in the graph; values watched on the way to the output."""

import pytest
import torch
import torch.nn.functional as F
from networks import Tiny
from torch import Tensor, nn

import suture
from raising import raises
from suture.data.preprocess import Preprocess
from suture.errors import CutError, PlanError
from suture.graph import Spatial, differentiable, last_maps, trace
from suture.graph.spatial import frontier

EXAMPLE = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def names(network: str | nn.Module, example: Tensor | None = None) -> list[str]:
    module = suture.load(network) if isinstance(network, str) else network
    return [value.cut.name for value in last_maps(trace(module, example))]


class Branch(nn.Module):
    """Convolution and a ReLU in place, then pooled."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.relu(self.conv(x)), 1).flatten(1)


class TwoBranches(nn.Module):
    """Two networks side by side: neither's map is a legal cut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Branch(6, 2), Branch(4, 1)
        self.fc = nn.Linear(10, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.cat([self.first(x), self.second(x)], 1))


class Untraceable(nn.Module):
    """Decides by values, so that only hooks follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)
        self.conv2, self.relu2 = nn.Conv2d(4, 6, 3, 2), nn.ReLU(inplace=True)
        self.pool, self.flat, self.fc = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        if float(x.sum()) > 1e9:
            x = -x
        return self.fc(self.flat(self.pool(x)))


class Separate(nn.Module):
    """One block of attention that reads its class token only, its keys and values made by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.last = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        y = self.norm(x)
        weights = (self.q(y) @ self.k(y).transpose(1, 2)).softmax(2)
        return self.fc(self.last(x + weights @ self.v(y))[:, 0])


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("zoo:tiny10-a", ["relu8"]),
        ("zoo:resnet20-a", ["layer3.2"]),
        ("zoo:lenet@none", ["pool2"]),
        ("torchvision:resnet18@none?size=64", ["layer4.1"]),
        ("torchvision:densenet121@none?size=64", ["features.norm5"]),
        ("torchvision:squeezenet1_0@none?size=64", ["classifier.2"]),
    ],
)
def test_a_plain_network_has_one(network, expected):
    assert names(network) == expected


def test_a_pooling_that_enlarges_is_no_map():
    (value,) = last_maps(trace(suture.load("torchvision:vgg11@none?size=64")))
    assert value.cut.grid == (2, 2)
    assert value.cut.name.startswith("features.")


def test_layouts_and_tokens_are_told():
    traced = trace(suture.load("torchvision:swin_t@none?size=64"))
    (swin,) = last_maps(traced)
    assert (swin.cut.name, swin.cut.layout, swin.cut.grid) == ("permute", "NCHW", (2, 2))
    assert {value.cut.name: value.cut.layout for value in traced.spatial()}["norm"] == "NHWC"
    (vit,) = last_maps(trace(suture.load("timm:vit_tiny_patch16_224@none?size=64")))
    assert (vit.cut.name, vit.cut.layout, vit.cut.grid, vit.cut.extra) == ("blocks.11.norm1", "NLC", (4, 4), 1)


def test_every_branch_has_its_own_where_neither_is_a_cut():
    network = TwoBranches()
    assert names(network, EXAMPLE) == ["first.relu", "second.relu"]
    for name in names(network, EXAMPLE):
        with raises(CutError, "still needed"):
            trace(network, EXAMPLE).find(name)


def test_keys_and_values_are_one_branch():
    assert names(Separate(), EXAMPLE) == ["norm"]


def test_a_head_of_zeros_changes_nothing():
    network = Separate()
    nn.init.zeros_(network.fc.weight)
    assert names(network, EXAMPLE) == ["norm"]


def test_a_fusion_has_one_for_each_backbone_a_stitch_one():
    fusion = suture.fuse(["zoo:tiny10-a", "zoo:resnet20-a"], num_classes=4, hidden=8)
    found = last_maps(trace(fusion, EXAMPLE))
    assert [value.cut.name.partition(".")[0] for value in found] == ["backbone1", "backbone2"]
    assert [value.cut.grid for value in found] == [(2, 2), (8, 8)]
    assert [len(value.preprocess) for value in found] == [1, 1]
    (joined,) = last_maps(trace(suture.stitch("zoo:tiny10-a", "zoo:resnet20-a", "relu5:layer2.2"), EXAMPLE))
    assert joined.cut.name == "decoder.relu_5"


def test_module_order_alone_gives_the_last_map_of_the_chain():
    traced = trace(Untraceable(), EXAMPLE)
    assert traced.tracer == "hooks"
    assert [value.cut.name for value in last_maps(traced)] == ["relu2"]


def test_images_are_no_map_and_a_network_without_one_says_so():
    with raises(PlanError, "no value with a grid", "saliency"):
        last_maps(trace(suture.load("zoo:dense@none")))
    flat = nn.Sequential(
        Preprocess((0.5,) * 3, (0.5,) * 3), nn.Flatten(), nn.Linear(3072, 8), nn.ReLU(), nn.Linear(8, 3)
    )
    with raises(PlanError, "no value with a grid"):
        last_maps(trace(flat, EXAMPLE))


def test_the_frontier_is_what_nothing_follows():
    cut = trace(suture.load("zoo:tiny10-a")).find("relu1")
    other = trace(suture.load("zoo:tiny10-a")).find("relu2")
    a, b = Spatial(cut), Spatial(other, frozenset({"relu1"}))
    assert frontier([a, b]) == (b,)
    assert frontier([a]) == (a,)


def test_finding_them_leaves_the_network_alone():
    network = suture.load("timm:vit_tiny_patch16_224@none?size=64").train().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    names(network)
    assert all(module.training for module in network.modules())
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("make", [Tiny, TwoBranches, Untraceable])
def test_gradients_of_watched_values_are_those_of_finite_differences(make, frozen):
    """The output from changed values, less that from the values, is the gradient times the change."""
    network = make().double().eval().requires_grad_(not frozen)
    example = EXAMPLE.double()
    traced = trace(network, example)
    found = [value.cut.name for value in last_maps(traced)]
    with differentiable(network):
        output, seen = traced.watched(found)(example)
        gradients = torch.autograd.grad(output[:, 1].sum(), [seen[name] for name in found])
    assert torch.allclose(output.detach(), network(example).detach(), atol=1e-12)
    for name, gradient in zip(found, gradients, strict=True):
        value = network.get_submodule(name)
        change = 1e-6 * torch.randn(seen[name].shape, dtype=torch.float64)
        handle = value.register_forward_hook(lambda _m, _a, result, change=change: result + change)
        moved = network(example)[:, 1].sum() - output[:, 1].sum()
        handle.remove()
        assert float(moved.detach()) == pytest.approx(float((gradient * change).sum()), rel=1e-4, abs=1e-14)


def test_watched_values_are_those_that_taps_read_though_relus_write_in_place():
    network = suture.load("torchvision:resnet18@none?size=64")
    traced = trace(network)
    wanted = ["bn1", "layer1.0.conv1", "layer4.1"]
    with differentiable(network):
        output, seen = traced.watched(wanted)(EXAMPLE)
        read = traced.tap(wanted)(EXAMPLE)
    assert torch.allclose(output, network(EXAMPLE), atol=1e-5)
    for name in wanted:
        assert torch.equal(seen[name], read[name])


def test_a_value_nobody_knows_cannot_be_watched():
    with raises(CutError, "no layer 'relu9'", "relu8"):
        trace(suture.load("zoo:tiny10-a")).watched(["relu9"])
