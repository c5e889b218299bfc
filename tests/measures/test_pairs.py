"""All pairs of layers of two networks: the values, the passes, the memory, and what is refused."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.errors import CutError, MeasureError
from suture.graph import trace
from suture.measures import Comparison, Layers, Similarity, compare_pairs, compute, find, look
from suture.runs import Watch
from suture.spec.measures import MEASURES

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


def batches(size: int) -> Iterator[Tensor]:
    return iter(IMAGES.split(size))


def compared(a: Layers, b: Layers, *names: str, images: int = N, **fields) -> tuple[Similarity, ...]:
    given = fields.pop("batches", batches)
    return compare_pairs(Comparison(a, b, tuple(map(find, names)), images, **fields), given)


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


def test_every_pair_of_every_measure_has_the_value_of_its_activations_before_anything_overwrites_them(networks):
    a, b = (layers(network, "conv1", "conv2", "pool") for network in networks)
    names = [name for name in MEASURES if "_bs" not in name]
    found = compared(a, b, *names)
    assert [each.measure for each in found] == names
    for each in found:
        assert (each.layers_a, each.layers_b) == (tuple(a.shapes), tuple(b.shapes))
        for x in a.shapes:
            for y in b.shapes:
                try:
                    if find(each.measure).same_shape and a.shapes[x] != b.shapes[y]:
                        raise MeasureError("shapes", expected="", instead="")
                    expected = compute(each.measure, by_hand(networks[0], x), by_hand(networks[1], y))
                except MeasureError:
                    assert each.value(x, y) is None
                    continue
                assert each.value(x, y) == pytest.approx(expected, abs=2e-6), (each.measure, x, y)
    by_name = {each.measure: each for each in found}
    l2, directed = by_name["l2"], by_name["linreg_r2_x_to_y"]
    assert [(x, y) for x in a.shapes for y in b.shapes if l2.value(x, y) is not None] == [
        ("conv2", "conv2"),
        ("pool", "pool"),
    ]
    assert directed.value("pool", "conv1") is not None
    assert directed.value("conv1", "pool") is None
    assert [match and match[:2] for match in l2.best_match()] == [None, ("conv2", "conv2"), ("pool", "pool")]


def test_all_measures_take_one_pass_and_batches_of_their_own_size(networks):
    seen: list[int] = []

    def counted(size: int) -> Iterator[Tensor]:
        seen.append(size)
        return batches(size)

    a, b = (layers(network, "conv2", "pool") for network in networks)
    names = ("cka_linear_minibatch_bs6", "cka_linear_debiased", "procrustes_normalised", "l2", "linreg_r2_x_to_y")
    (minibatch, *_) = compared(a, b, *names, batches=counted)
    assert seen == [252]
    expected = compute(minibatch.measure, by_hand(networks[0], "conv2"), by_hand(networks[1], "conv2"))
    assert minibatch.value("conv2", "conv2") == pytest.approx(expected, abs=1e-6)
    assert (minibatch.batch, minibatch.estimator, minibatch.streams) == (6, "minibatch", "batches")


def test_rows_left_over_in_a_last_batch_are_not_used(networks):
    a, b = (layers(network, "conv2", "pool") for network in networks)
    (found,) = compared(a, b, "cka", batches=lambda _size: iter(IMAGES.split([N - 2, 2])))
    expected = compute("cka", by_hand(networks[0], "conv2")[:-2], by_hand(networks[1], "pool")[:-2])
    assert found.value("conv2", "pool") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seen", [N - 4, N + 4])
@pytest.mark.parametrize("measure", ["cka", "cka_linear_debiased"])
def test_another_number_of_images_than_was_asked_for_is_an_error(networks, measure, seen):
    side = layers(networks[0], "pool")
    with raises(MeasureError, f"{seen} images came", f"the {N} of the comparison"):
        compared(side, side, measure, batches=lambda _size: iter(torch.cat([IMAGES, IMAGES])[:seen].split(8)))


@pytest.mark.parametrize("measure", ["cka", "cka_linear_biased", "cka_rbf"])
def test_a_network_in_double_precision_compares_with_one_in_single(networks, measure):
    class Double(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner, self.last = inner, nn.Linear(4, 2).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.inner(x.double()).mean((2, 3)))

    double = Double(nn.Conv2d(3, 4, 3).double()).eval()
    rows = double.inner(IMAGES.double()).detach().flatten(1)
    (found,) = compared(layers(double, "inner"), layers(networks[1], "conv2"), measure)
    assert found.values[0][0] == pytest.approx(compute(measure, rows, by_hand(networks[1], "conv2")), abs=1e-6)


def test_a_network_with_itself_runs_once_and_is_symmetric(networks):
    runs = 0

    def count(_module: nn.Module, _args: object) -> None:
        nonlocal runs
        runs += 1

    a = layers(networks[0], "conv1", "conv2", "fc")
    handle = networks[0].conv1.register_forward_pre_hook(count)
    found = compared(a, a, "cka", "cka_rbf", "procrustes", "l2", spatial="mean")
    handle.remove()
    assert runs == 1
    for each in found:
        for k, x in enumerate(each.layers_a):
            own = each.values[k][k]
            assert own == pytest.approx(1 if each.higher_is_more_similar else 0, abs=1e-6)
            for y in each.layers_b:
                assert each.value(x, y) == pytest.approx(each.value(y, x), abs=1e-6) or each.value(x, y) is None
        assert [match.b for match in each.best_match()] == list(each.layers_a)


def test_less_memory_takes_more_passes_and_tells_the_same(networks):
    seen: list[int] = []

    def counted(size: int) -> Iterator[Tensor]:
        seen.append(0)
        return batches(size)

    a, b = (layers(network, "conv1", "relu1", "conv2", "pool") for network in networks)
    names = ("cka_linear_debiased", "cka_linear_minibatch")
    whole = compared(a, b, *names, batches=counted)
    assert len(seen) == 1
    largest = 4 * N * 6 * 64
    assert compared(a, b, *names, batches=counted, memory=largest) == whole
    assert len(seen) == 1 + 5


@pytest.mark.parametrize(
    ("memory", "measure", "told"),
    [
        (
            4 * N * 4 * 64 - 1,
            "cka_linear_debiased",
            ("the activations of conv1 of small", "--samples 23", "24 samples"),
        ),
        (4 * 4 * 64 - 1, "cka_linear_debiased", ("--layers with smaller or fewer layers",)),
        (8 * N * N * 13, "cka_rbf", ("what cka_rbf_t1_debiased keep of all the layers", "--samples ")),
    ],
)
def test_what_does_not_fit_is_refused_before_any_image_is_seen(networks, memory, measure, told):
    names = ["conv2", "pool", "fc"] if measure == "cka_rbf" else ["conv1", "relu1"]
    a, b = layers(networks[0], *names), layers(networks[1], *names)

    def never(_size: int) -> Iterator[Tensor]:
        raise AssertionError("a network ran")

    with raises(MeasureError, *told):
        compared(a, b, measure, batches=never, memory=memory)


def test_samples_that_are_told_fit(networks):
    side = layers(networks[0], "conv1")
    memory = 4 * 10 * 4 * 64 + 5
    with raises(MeasureError, "--samples 10"):
        Comparison(side, side, (find("cka_linear_debiased"),), N, memory=memory).check()
    Comparison(side, side, (find("cka_linear_debiased"),), 10, memory=memory).check()


@pytest.mark.parametrize("measure", ["knn", "rsa", "cka_rbf", "dcor"])
def test_all_pairs_of_too_many_samples_are_refused_though_little_of_them_is_kept(networks, measure):
    side = layers(networks[0], "pool")
    with raises(MeasureError, find(measure).name, "50,000 samples", "--samples "):
        Comparison(side, side, (find(measure),), 50_000).check()
    Comparison(side, side, (find(measure),), 2048).check()


def test_what_streams_fits_however_many_samples_there_are(networks):
    side = layers(networks[0], "conv1", "conv2")
    measures = tuple(map(find, ("cka", "cca", "procrustes", "l2")))
    Comparison(side, side, measures, 10**9, spatial="mean", memory=2**20).check()


@pytest.mark.parametrize("spatial", ["flatten", "mean"])
@pytest.mark.parametrize("measure", ["cka", "cka_linear_biased", "cka_rbf", "procrustes", "mutual_knn_k5_cosine"])
def test_a_layer_that_says_nothing_is_left_out_or_named(networks, measure, spatial):
    network, watch, full = Small(4, 0).eval(), Listening(), find(measure).name
    network.dead = nn.Hardtanh(0.0, 1e-50)  # zeros, in float32: constant, and of no direction
    a, b = layers(network, "dead", "conv2"), layers(networks[1], "conv2")
    (found,) = compared(a, b, measure, watch=watch, spatial=spatial)
    assert found.value("dead", "conv2") is None
    assert found.value("conv2", "conv2") is not None
    assert len(watch.heard) == 1
    assert watch.heard[0].startswith(f"dead of small, {full}: ")
    assert watch.heard[0].endswith("; left out")
    with raises(MeasureError, f"dead of small, {full}"):
        compared(a, b, measure, pairs=(("dead", "conv2"),), spatial=spatial)


@pytest.mark.parametrize("measure", ["cka", "cka_linear_debiased", "cca", "l2", "knn"])
def test_a_layer_of_nan_is_left_out_or_named_and_all_of_them_are_an_error(measure):
    network = Small(5, 0).eval()
    side, broken, watch = layers(network, "pool", "fc"), layers(network, "fc"), Listening()
    with torch.no_grad():
        network.fc.bias[0] = torch.nan
    (found,) = compared(side, side, measure, watch=watch)
    assert found.value("pool", "pool") is not None
    assert found.value("fc", "fc") is None
    assert len(watch.heard) >= 1
    assert "fc" in watch.heard[0]
    assert find(measure).name in watch.heard[0]
    assert "not finite" in watch.heard[0]
    with raises(MeasureError, "fc", find(measure).name, "not finite"):
        compared(side, side, measure, pairs=(("fc", "fc"),))
    with raises(MeasureError, "fc", find(measure).name, "not finite"):
        compared(broken, broken, measure)


def test_a_named_pair_that_does_not_compare_is_an_error_and_so_is_a_measure_for_no_pair(networks):
    a, b = layers(networks[0], "conv1", "pool"), layers(networks[1], "conv1", "pool")
    with raises(MeasureError, "conv1:pool: l2 compares entry by entry"):
        Comparison(a, b, (find("l2"),), N, pairs=(("pool", "pool"), ("conv1", "pool"))).check()
    wide = layers(networks[1], "conv1")
    with raises(MeasureError, "no layers can be compared, as conv1:conv1: cca_mean of 24 samples"):
        Comparison(wide, wide, (find("cca_mean"),), N).check()


def test_of_several_measures_one_may_compare_nothing(networks):
    wide = layers(networks[1], "conv1")
    first, second = compared(wide, wide, "cca_mean", "cka")
    assert first.values == ((None,),)
    assert second.values[0][0] == pytest.approx(1, abs=1e-6)


def test_two_sizes_of_batches_are_refused(networks):
    side = layers(networks[0], "pool")
    with raises(MeasureError, "cka_linear_minibatch and cka_linear_minibatch_bs12 go by different batches"):
        compared(side, side, "cka", "cka_linear_minibatch_bs12")


def test_samples_that_make_no_whole_batches_are_refused(networks):
    side = layers(networks[0], "pool")
    with raises(MeasureError, "24 samples, which make no whole batches of 10", "--samples 20"):
        compared(side, side, "cka_linear_minibatch_bs10")


def test_only_pairs_that_are_named_have_values(networks):
    a, b = layers(networks[0], "conv2", "pool"), layers(networks[1], "conv2", "pool")
    for measure in ("l2", "cka", "cka_rbf", "cka_linear_biased"):
        (found,) = compared(a, b, measure, pairs=(("pool", "pool"),))
        assert found.values[0] == (None, None)
        assert found.values[1][0] is None
        assert found.values[1][1] > 0


def test_the_networks_stay_as_they_are():
    network = Small(4, 0).train()
    network.dead = nn.BatchNorm2d(4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    side = layers(network, "conv2", "pool")
    compared(side, side, "cka", "cka_linear_biased", "cka_rbf")
    assert all(module.training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("measure", ["cka", "cka_linear_biased", "cka_linear_debiased"])
def test_a_constant_layer_says_nothing_though_it_is_not_zero(networks, measure):
    """Its mean, rounded, differs from it: what is left then is rounding, which must not be taken for a signal."""
    a, b = layers(networks[0], "dead", "conv2"), layers(networks[1], "conv2")
    (found,) = compared(a, b, measure)
    assert found.value("dead", "conv2") is None


@pytest.mark.parametrize("scale", [1e-12, 1e12])
@pytest.mark.parametrize("measure", ["cka", "cka_linear_biased", "cka_linear_debiased", "cka_rbf", "procrustes"])
def test_activations_of_any_size_tell_the_same(scale, measure):
    plain, scaled = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 7)).eval() for _ in range(2))
    scaled.load_state_dict(plain.state_dict())
    with torch.no_grad():
        for module in (scaled[0], scaled[2]):
            module.bias.mul_(scale)
        scaled[0].weight.mul_(scale)
    (own,) = compared(layers(plain, "0", "2"), layers(plain, "0", "2"), measure)
    (found,) = compared(layers(plain, "0", "2"), layers(scaled, "0", "2"), measure)
    for x in ("0", "2"):
        for y in ("0", "2"):
            assert found.value(x, y) == pytest.approx(own.value(x, y), abs=1e-5)


def test_a_large_mean_costs_no_digits(networks):
    far = Small(6, 1).eval()
    with torch.no_grad():
        far.conv2.bias += 1e3
    near, moved = (layers(network, "conv2") for network in (networks[1], far))
    for measure in ("cka", "cka_linear_biased", "cka_linear_debiased", "procrustes"):
        (own,), (found,) = compared(near, near, measure), compared(near, moved, measure)
        assert found.values[0][0] == pytest.approx(own.values[0][0], abs=5e-4)


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
