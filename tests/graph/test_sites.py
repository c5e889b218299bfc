"""What a layer takes and gives, against what the graph of the whole network says of the same values."""

import pytest
import torch
from torch import nn
from torchvision import models

from suture.graph import layers, trace
from suture.sources import load
from suture.spec.cut import Layout

NETWORKS = {
    "resnet18": lambda: models.resnet18(weights=None),
    "densenet121": lambda: models.densenet121(weights=None),
    "convnext_tiny": lambda: models.convnext_tiny(weights=None),
    "swin_t": lambda: models.swin_t(weights=None),
    "vit": lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32),
    "resnet20": lambda: load("zoo:resnet20-a").body,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layouts_and_grids_are_those_that_the_graph_shows(name):
    network = NETWORKS[name]().eval()
    x = torch.rand(2, 3, *(32, 32) if name in ("vit", "resnet20") else (64, 64))
    modules = dict(network.named_modules())
    cuts = {
        alias: cut
        for cut in trace(network, x).cuts(fine=True)
        for alias in (cut.name, *cut.aliases)
        if alias in modules
    }
    assert len(cuts) > 4
    for module, layer in layers(network, cuts, x).items():
        assert layer.gives is not None
        assert (layer.gives.layout, layer.gives.shape) == (cuts[module].layout, cuts[module].shape), module
        assert layer.runs >= 1
        if cuts[module].grid:
            assert layer.gives.frame.grid == cuts[module].grid, module


class Odd(nn.Module):
    """A layer that is called twice with different shapes, one that returns a pair, and one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.pair, self.idle = nn.MaxPool2d(2), nn.GRU(3, 4, batch_first=True), nn.Linear(4, 4)
        self.named = nn.Linear(4, 4)

    def forward(self, x):
        return self.named(input=self.pair(self.pool(self.pool(x)).flatten(2).mT)[0])


def test_what_is_no_single_tensor_is_told_as_none():
    found = layers(Odd(), ["pool", "pair", "idle", "named"], torch.rand(2, 3, 8, 8))
    assert (found["pool"].gives, found["pool"].runs) == (None, 2)
    assert (found["pair"].gives, found["pair"].runs) == (None, 1)
    assert found["pair"].given is not None
    assert found["idle"].runs == 0
    assert found["named"].given == found["named"].gives
    assert found["named"].gives.layout is Layout.NLC


def test_the_network_is_left_as_it_was():
    network = models.resnet18(weights=None).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layers(network, ["layer1"], torch.rand(2, 3, 64, 64))
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_map_of_a_film_has_no_layout_that_a_block_could_take():
    network = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    seen = layers(network, ["0", "1", "2", "4"], torch.rand(2, 3, 6, 6, 6))
    assert [seen[name].gives for name in ("0", "1", "2")] == [None] * 3
    assert seen["4"].gives.layout is Layout.NC


def test_what_a_layer_is_given_by_keyword_counts():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x):
            return self.inner(input=x)

    assert layers(Named(), ["inner"], torch.rand(2, 3))["inner"].given.shape == (3,)
