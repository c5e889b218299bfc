"""All pairs of layers of two networks: the values, the passes, the memory, and what is refused."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.errors import CutError, MeasureError
from suture.graph import trace
from suture.measures import Comparison, Layers, compute, find, look
from suture.runs import Watch

N = 24


class Small(nn.Module):
    """Two convolutions with an in-place ReLU between them, and a layer that is dead."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.relu1 = nn.ReLU(inplace=True)
        self.dead = nn.Hardtanh(0.25, 0.25 + 1e-9)
        self.conv2 = nn.Conv2d(width, 5, 3, stride=2, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.conv1(x))
        return self.fc(self.pool(self.conv2(y + self.dead(y))).flatten(1))


class Listening(Watch):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


IMAGES = torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def batches() -> Iterator[Tensor]:
    return iter(IMAGES.split(10))


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    return Small(4, 0).eval(), Small(6, 1).eval()


def layers(network: nn.Module, *names: str) -> Layers:
    return look(trace(network, IMAGES[:2]), "small", names, IMAGES[:3])


def by_hand(network: Small, name: str) -> Tensor:
    with torch.no_grad():
        conv1 = network.conv1(IMAGES)
        relu1 = conv1.relu()
        conv2 = network.conv2(relu1 + network.dead(relu1))
    return {"conv1": conv1, "relu1": relu1, "conv2": conv2, "pool": network.pool(conv2)}[name].flatten(1)


def test_every_pair_has_the_value_of_its_activations_before_anything_overwrites_them(networks):
    a, b = (layers(network, "conv1", "relu1", "conv2", "pool") for network in networks)
    names = ("cka_linear_biased", "cka_linear_debiased", "procrustes_normalised", "l2", "linreg_r2_x_to_y")
    found = Comparison(a, b, tuple(map(find, names)), N).run(batches)
    assert [each.measure for each in found] == list(names)
    for each in found:
        assert (each.layers_a, each.layers_b) == (tuple(a.shapes), tuple(b.shapes))
        for x in a.shapes:
            for y in b.shapes:
                shapes = a.shapes[x], b.shapes[y]
                if find(each.measure).refusal(N, *shapes) is not None:
                    assert each.value(x, y) is None
                    continue
                expected = compute(each.measure, by_hand(networks[0], x), by_hand(networks[1], y))
                assert each.value(x, y) == pytest.approx(expected, abs=1e-9)
    l2, directed = found[3], found[4]
    assert [(x, y) for x in a.shapes for y in b.shapes if l2.value(x, y) is not None] == [
        ("conv2", "conv2"),
        ("pool", "pool"),
    ]
    assert directed.value("pool", "conv1") is not None
    assert directed.value("conv1", "pool") is None
    assert l2.best("conv2") == ("conv2", "conv2")
    assert l2.best("conv1") is None


def test_less_memory_takes_more_passes_and_tells_the_same(networks):
    measures = (find("cka_linear_biased"),)
    seen: list[int] = []

    def counted() -> Iterator[Tensor]:
        seen.append(0)
        return batches()

    a, b = (layers(network, "conv1", "relu1", "conv2", "pool") for network in networks)
    whole = Comparison(a, b, measures, N).run(counted)
    assert len(seen) == 2
    largest = 4 * N * 6 * 64
    assert Comparison(a, b, measures, N, memory=largest).run(counted) == whole
    assert len(seen) == 2 + 2 + 3


@pytest.mark.parametrize(
    ("memory", "measure", "told"),
    [
        (4 * N * 4 * 64 - 1, "cka_linear_biased", ("the activations of conv1 of small", "--first 23", "24 images")),
        (4 * 4 * 64 - 1, "cka_linear_biased", ("--layers X:Y with smaller layers",)),
        (4 * N * 6 * 64 * 2, "l2", ("what l2 keep of all the layers",)),
    ],
)
def test_what_does_not_fit_is_refused_before_any_image_is_seen(networks, memory, measure, told):
    names = ["conv1", "relu1", "conv2"]
    a, b = layers(networks[0], *names), layers(networks[0], *names)

    def never() -> Iterator[Tensor]:
        raise AssertionError("a network ran")

    with raises(MeasureError, *told):
        Comparison(a, b, (find(measure),), N, memory=memory).run(never)


def test_a_first_that_is_told_fits(networks):
    side = layers(networks[0], "conv1")
    memory = 4 * 10 * 4 * 64 + 5
    with raises(MeasureError, "--first 10"):
        Comparison(side, side, (find("cka_linear_biased"),), N, memory=memory).check()
    Comparison(side, side, (find("cka_linear_biased"),), 10, memory=memory).check()


def test_a_layer_that_says_nothing_is_left_out_or_named(networks):
    a, b = layers(networks[0], "dead", "conv2"), layers(networks[1], "conv2")
    measures, watch = (find("cka_linear_biased"),), Listening()
    (found,) = Comparison(a, b, measures, N, watch=watch).run(batches)
    assert found.value("dead", "conv2") is None
    assert found.value("conv2", "conv2") is not None
    assert watch.heard == ["dead of small: the activations are the same for every sample; left out"]
    with raises(MeasureError, "dead of small: the activations are the same"):
        Comparison(a, b, measures, N, (("dead", "conv2"),)).run(batches)


def test_a_named_pair_that_does_not_compare_is_an_error_and_so_is_a_measure_for_no_pair(networks):
    a, b = layers(networks[0], "conv1", "pool"), layers(networks[1], "conv1", "pool")
    with raises(MeasureError, "conv1:pool: l2 compares entry by entry"):
        Comparison(a, b, (find("l2"),), N, (("pool", "pool"), ("conv1", "pool"))).check()
    wide = layers(networks[1], "conv1")
    with raises(MeasureError, "no layers can be compared, as conv1:conv1: cca_mean of 24 samples"):
        Comparison(wide, wide, (find("cca_mean"),), N).check()


def test_only_pairs_that_are_named_have_values(networks):
    a, b = layers(networks[0], "conv2", "pool"), layers(networks[1], "conv2", "pool")
    (found,) = Comparison(a, b, (find("l2"),), N, (("pool", "pool"),)).run(batches)
    assert found.values[0] == (None, None)
    assert found.values[1][0] is None
    assert found.values[1][1] > 0


def test_the_networks_stay_as_they_are():
    network = Small(4, 0).train()
    network.dead = nn.BatchNorm2d(4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    side = layers(network, "conv2", "pool")
    Comparison(side, side, (find("cka_linear_biased"),), N).run(batches)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_names_that_are_no_activation_are_refused(networks):
    with raises(CutError, "no layer 'conv9'"):
        layers(networks[0], "conv9")


def test_a_value_without_an_entry_for_each_image_is_refused():
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias, self.act, self.fc = nn.Parameter(torch.ones(7, 4)), nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x + self.act(self.bias).sum(0))

    traced = trace(Shifted(), torch.rand(2, 4))
    with raises(MeasureError, "act of shifted is of shape (7, 4) for a batch of 3 images"):
        look(traced, "shifted", ["add", "act"], torch.rand(3, 4))
