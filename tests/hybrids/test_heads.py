"""The head is the layer that runs last, whatever was declared last."""

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.errors import PlanError
from suture.graph import trace
from suture.hybrids import head, new_head, parent, stitch
from suture.hybrids.heads import DroppedLinear, heads, set_dropout
from suture.sources import load


class Backwards(nn.Module):
    """Declares its head first, and another linear layer after it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 5)
        self.conv, self.relu, self.mid = nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mid(self.relu(self.conv(x)).mean((2, 3))))


def test_a_decoder_is_given_a_new_head_in_the_place_of_its_own():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 32, 32)
    hybrid = stitch("zoo:tiny10@none", Backwards(), ("relu5", "relu"), example=images, classes=3)
    assert head(hybrid.decoder)[0] == "head"
    assert hybrid.decoder.head.out_features == 3
    assert hybrid.decoder.mid.out_features == 6
    assert hybrid(images).shape == (4, 3)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("zoo:lenet@none", "body.fc3"),
        ("zoo:resnet20@none", "body.fc"),
        ("torchvision:mobilenet_v2@none?size=32", "body.classifier.1"),
        ("torchvision:googlenet@none?size=64", "body.fc"),
        ("torchvision:squeezenet1_1@none?size=64", "body.classifier.1"),
        ("timm:vit_tiny_patch16_224@none?size=64", "body.head"),
        ("timm:dla34@none?size=64", "body.fc"),
    ],
)
def test_a_network_is_given_a_new_head(source, name):
    network = load(source)
    before, names = [p.requires_grad for p in network.parameters()], list(network.state_dict())
    assert head(network)[0] == name
    assert [p.requires_grad for p in network.parameters()] == before
    new_head(network, 3, seed=1)
    assert list(network.state_dict()) == names
    assert not any(module.training for module in network.modules())
    with torch.no_grad():
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    first, again = head(network)[1].weight.clone(), load(source)
    new_head(again, 3, seed=1)
    assert torch.equal(head(again)[1].weight, first)


TWO = "timm:deit_tiny_distilled_patch16_224@none?size=32"


def test_a_network_of_two_heads_has_no_one_head_and_a_half_of_it_gets_no_new_one():
    network = load(TWO)
    with raises(PlanError, "2 layers side by side: body.head, body.head_dist", "suture fuse"):
        head(network)
    side = parent(network)
    with raises(PlanError, "2 layers side by side"):
        new_head(side.traced.split("norm")[1], 3)


@pytest.mark.parametrize("source", [TWO, "timm:vit_small_patch14_dinov2@none?size=28"])
def test_timm_makes_the_heads_of_its_networks_where_there_is_not_one(source):
    first, again = load(source), load(source)
    for network in (first, again):
        torch.manual_seed(id(network))
        drawn = torch.get_rng_state()
        new_head(network, 3, seed=1, dropout=0.5)
        assert torch.equal(drawn, torch.get_rng_state())
        assert network.body.num_classes == 3
        assert not any(module.training for module in network.modules())
        assert network(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    for (_, one), (_, other) in zip(heads(first), heads(again), strict=True):
        assert torch.equal(one.weight, other.weight)


def test_a_network_that_ends_in_no_linear_layer_says_in_what_it_ends():
    network = load("zoo:lenet@none")
    network.body.fc3 = nn.Sequential(network.body.fc3, nn.BatchNorm1d(10))
    with raises(PlanError, "ends in no linear layer, but in body.fc3.1, a BatchNorm1d", "1x1 nn.Conv2d"):
        head(network)
    with raises(PlanError, "ends in no linear layer"):
        head(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    with raises(PlanError, "ends in no linear layer"):
        head(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))


def test_a_plain_module_ends_in_what_is_declared_last_or_runs_last_where_that_can_be_seen():
    network = Backwards()
    assert head(network)[0] == "mid"
    assert head(network, torch.rand(1, 3, 8, 8))[0] == "head"
    new_head(network, 2, dropout=0.5, example=torch.rand(1, 3, 8, 8))
    assert isinstance(network.head, DroppedLinear)
    assert head(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)))[0] == "1"


def test_what_says_how_many_classes_there_are_is_kept_right():
    network = load("torchvision:squeezenet1_1@none?size=64")
    new_head(network, 3)
    assert network.body.num_classes == 3
    assert isinstance(network.body.classifier[1], nn.Conv2d)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("torchvision:efficientnet_b0@none?size=32", "classifier.0"),
        ("torchvision:mobilenet_v3_small@none?size=32", "classifier.2"),
        ("torchvision:squeezenet1_1@none?size=32", "classifier.0"),
        ("torchvision:googlenet@none?size=32", "dropout"),
        ("timm:vit_tiny_patch16_224@none?size=32", "head_drop"),
    ],
)
def test_the_dropout_of_the_network_is_used_where_it_has_one(source, place):
    network = load(source)
    kinds = [type(module) for module in network.modules()]
    set_dropout(network, 0.4)
    assert network.body.get_submodule(place).p == 0.4
    assert [type(module) for module in network.modules()] == kinds
    new_head(network, 3)
    assert network.body.get_submodule(place).p == 0.4


@pytest.mark.parametrize("source", ["zoo:lenet@none", "zoo:resnet20@none", "timm:dpn68@none?size=32", TWO])
def test_a_head_without_dropout_before_it_drops_its_own_input(source):
    network = load(source)
    images = torch.rand(2, 3, 32, 32)
    before, parameters, logits = network.state_dict(), list(network.parameters()), network(images)
    others = {name: module.p for name, module in network.named_modules() if isinstance(module, nn.Dropout)}
    for p in (0.9, 0.5):
        set_dropout(network, p)
        assert [layer.p for _, layer in heads(network)] == [p] * len(heads(network))
    assert others == {name: module.p for name, module in network.named_modules() if isinstance(module, nn.Dropout)}
    assert list(network.state_dict()) == list(before)
    assert all(p is q for p, q in zip(network.parameters(), parameters, strict=True))
    assert torch.equal(network(images), logits)
    _, layer = heads(network)[0]
    assert "p=0.5" in repr(layer)
    layer.train()
    torch.manual_seed(0)
    x = torch.rand(400, getattr(layer, "in_features", None) or layer.in_channels, 1, 1)
    x = x.flatten(1) if isinstance(layer, nn.Linear) else x
    mean = torch.stack([layer(x) for _ in range(50)]).mean((0, 1))
    plain = layer.eval()(x)
    assert not torch.equal(layer.train()(x), plain)
    torch.testing.assert_close(mean, plain.mean(0), atol=0.05, rtol=0.05)
    set_dropout(network, 0.0)
    assert torch.equal(heads(network)[0][1].train()(x), plain)


def test_a_dropout_that_runs_elsewhere_too_is_left_alone():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drop, self.conv, self.fc = nn.Dropout(0.1), nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.drop(self.conv(self.drop(x)).mean((2, 3))))

    network, x = Shared(), torch.rand(1, 3, 4, 4)
    set_dropout(network, 0.5, x)
    assert (network.drop.p, network.fc.p) == (0.1, 0.5)


def test_a_dropout_in_a_sequence_is_found_without_an_example():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(12, 2))
    set_dropout(network, 0.5)
    assert network[1].p == 0.5
    assert type(network[2]) is nn.Linear


def test_a_network_with_a_dropped_head_is_cut_and_still_drops():
    network = load("zoo:lenet@none")
    set_dropout(network, 0.5)
    _, decoder = trace(network).split("relu2")
    x = torch.rand(4, *decoder.entry)
    assert torch.equal(decoder.eval()(x), decoder(x))
    assert not torch.equal(decoder.train()(x), decoder(x))
    assert head(decoder)[0] == "fc3"


class Scaled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2])
def test_a_chance_is_no_chance(p):
    network = load("zoo:lenet@none")
    weight = network.body.fc3.weight
    for call in (lambda: set_dropout(network, p), lambda: new_head(network, 3, dropout=p)):
        with raises(PlanError, f"a dropout of {p}", "dropout=0.5"):
            call()
    assert network.body.fc3.weight is weight


def test_a_head_of_another_kind_is_kept_and_drops_nothing():
    network = nn.Sequential(nn.Flatten(), Scaled(12, 2))
    with raises(PlanError, "before a head that is a Scaled", "dropout=0"):
        set_dropout(network, 0.5)
    assert type(network[1]) is Scaled
