"""Blocks around layers: names, order, and that a layer does not see what was added to it."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torchvision import models

from suture.graph import Added, Patched, Shadow, add, blocks_of, free_name, trace, untouched
from suture.sources import load


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return x * self.factor


class Change(nn.Module):
    def forward(self, x, y):
        return y - x


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2)).eval()


X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def test_blocks_run_before_and_after_in_the_order_in_which_they_were_added(network):
    first, second, last = network
    add(network, "1", Times(2.0), Added("a", "before"))
    add(network, "1", Times(3.0), Added("b", "after"))
    add(network, "1", Change(), Added("c", "after", both=True))
    x = 2 * first(X)
    torch.testing.assert_close(network(X), last(3 * second(x) - x))
    assert blocks_of(network) == ("1.a", "1.b", "1.c")


def test_a_block_in_the_place_of_a_layer_leaves_none_of_its_parameters(network):
    first, _, last = network
    add(network, "1", Times(2.0), Added("a", "instead"))
    torch.testing.assert_close(network(X), last(2 * first(X)))
    assert [name for name in network.state_dict() if name.startswith("1.")] == ["1.a.factor"]


def test_every_name_stays_and_new_ones_lie_beneath(network):
    before = network.state_dict()
    add(network, "1", Times(1.0), Added("a", "after"))
    after = network.state_dict()
    assert set(after) - set(before) == {"1.a.factor"}
    assert all(after[name] is not None and torch.equal(after[name], before[name]) for name in before)
    assert [name for name, _ in network.named_parameters()][-3:] == ["1.a.factor", "2.weight", "2.bias"]


def test_a_container_is_still_one(network):
    inner = network[1]
    add(network, "1", Times(1.0), Added("a", "after"))
    assert len(network[1]) == 2
    assert network[1][0] is inner[0]
    assert list(network[1]) == list(inner)
    assert network[1]
    assert not isinstance(network[1], nn.Sequential)
    assert isinstance(network[1], Patched)
    assert network[0].in_features == 3


def test_what_is_put_in_the_place_of_an_inner_layer_is_what_runs(network):
    add(network, "1", Times(1.0), Added("a", "after"))
    network.set_submodule("1.0", nn.Identity())
    torch.testing.assert_close(network(X), network[2](network[0](X).relu()))


def test_a_layer_used_twice_is_patched_wherever_it_is_used():
    relu = nn.ReLU()
    network = nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 3), relu)
    add(network, "1", Times(2.0), Added("a", "after"))
    assert network[1] is network[3]
    torch.testing.assert_close(network(X), 2 * network[2](2 * network[0](X).relu()).relu())


def test_a_block_sees_the_input_though_the_layer_writes_to_it():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))
    x = network[0](X)
    add(network, "1", Change(), Added("a", "after", both=True))
    torch.testing.assert_close(network(X), x.relu() - x)


def test_copies_and_pickles_answer_alike_and_are_their_own(network):
    add(network, "1", Times(2.0), Added("a", "after"))
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        torch.testing.assert_close(other(X), network(X))
        with torch.no_grad():
            other[1][0].weight.zero_()
            other[1].a.factor.zero_()
        assert other(X).std(0).sum() == 0 != network(X).std(0).sum()


@pytest.mark.parametrize("training", [True, False])
def test_the_layer_goes_by_the_mode_of_what_stands_in_its_place(training):
    network = nn.Sequential(nn.Dropout(0.5))
    add(network, "0", Times(1.0), Added("a", "after"))
    network.train(training)
    with untouched(network, not training):
        assert network[0].covered.training is not training
    assert network[0].covered.training is training
    assert bool((network(torch.ones(1000)) == 0).any()) is training


@pytest.mark.parametrize("target", ["features.denseblock1", "features.denseblock1.denselayer1", "features.norm0"])
def test_a_densenet_that_walks_through_its_blocks_does_not_run_what_was_added(target):
    network = models.densenet121(weights=None).eval()
    x = torch.rand(1, 3, 64, 64)
    before = network(x)
    add(network, target, Times(1.0), Added("a", "after"))
    torch.testing.assert_close(network(x), before)
    with torch.no_grad():
        network.get_submodule(f"{target}.a").factor.fill_(2)
    assert not torch.allclose(network(x), before)


@pytest.mark.parametrize("target", ["conv1", "bn1", "layer2", "layer2.1"])
def test_a_patched_network_is_cut_like_any_other(target):
    network = models.resnet18(weights=None).eval()
    add(network, target, Times(1.5), Added("a", "after"))
    x = torch.rand(2, 3, 64, 64)
    traced = trace(network, x)
    assert traced.tracer == "fx"
    assert "layer3.0" in [cut.name for cut in traced.cuts()]
    for cut in traced.cuts():
        encoder, decoder = traced.split(cut.name)
        torch.testing.assert_close(decoder(encoder(x)), network(x))


def test_export_and_compile_follow_a_patched_network():
    network = load("zoo:tiny10-a").body
    add(network, "conv3", Times(1.5), Added("a", "after"))
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(torch.export.export(network, (x,)).module()(x), network(x))
    torch.testing.assert_close(torch.compile(network, backend="eager")(x), network(x))


def test_a_taken_name_gets_a_number(network):
    assert free_name(network[1], "a") == "a"
    add(network, "1", Times(1.0), Added("a", "after"))
    assert free_name(network[1], "a") == "a2"
    assert free_name(network[0], "weight") == "weight2"


class Inner(nn.Module):
    """Has a child by the name that a lazy covering would take for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 2)

    def forward(self, x):
        return self.last(self.layer(x))


def test_a_child_called_layer_is_found_in_a_patched_layer():
    network = nn.Sequential(Inner())
    add(network, "0", Times(1.0), Added("a", "after"))
    assert isinstance(network.get_submodule("0.layer.0"), nn.Linear)
    add(network, "0.layer.0", Times(0.0), Added("b", "after"))
    torch.testing.assert_close(network(X), network[0].last.bias.expand(4, 2))


def test_the_hooks_of_a_layer_go_on_running():
    network = nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3)), nn.ReLU())
    network(X)
    network[1].register_forward_hook(lambda _module, _args, y: y + 1)
    network.eval()
    wanted = network(X)
    for target in ("0", "1"):
        add(network, target, Times(1.0), Added("a", "after"))
    torch.testing.assert_close(network(X), wanted)
    with torch.no_grad():
        network[0].weight_orig[0].zero_()
    assert not torch.allclose(network(X), wanted)


def test_a_layer_may_be_called_by_keyword():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 2)

        def forward(self, x):
            return self.inner(input=x)

    network = Named()
    wanted = network.inner(4 * X) * 3
    add(network, "inner", Times(4.0), Added("a", "before"))
    add(network, "inner", Times(3.0), Added("b", "after"))
    torch.testing.assert_close(network(X), wanted)


def test_the_fast_path_of_a_transformer_layer_does_not_go_past_what_was_added():
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.rand(2, 5, 8)
    add(network, "linear1", Times(0.0), Added("a", "after"))
    with torch.no_grad():
        fast = network(x)
    torch.testing.assert_close(fast, network(x).detach())


def test_a_state_dict_says_of_which_version_of_the_network_it_is():
    network = models.mnasnet0_5(weights=None)
    shadow = Shadow()
    shadow.cover(network)
    assert shadow.state_dict()._metadata[""] == network.state_dict()._metadata[""]
    other = models.mnasnet0_5(weights=None)
    other.load_state_dict(shadow.state_dict())
    shapes = [[tensor.shape for tensor in one.state_dict().values()] for one in (other, network)]
    assert shapes[0] == shapes[1]
