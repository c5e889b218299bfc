"""Permutation tests: p-values of what is alike, and of what is not."""

from dataclasses import replace
from itertools import pairwise
from math import prod

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from raising import raises
from suture.errors import MeasureError
from suture.graph import trace
from suture.measures import Comparison, Layers, compare_pairs, compute, find, look
from suture.measures.null import p_values, shuffled

N = 48
IMAGES = torch.rand(N, 6, generator=torch.Generator().manual_seed(0))


def network(*widths: int, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths))).eval()


def layers(module: nn.Module, *names: str) -> Layers:
    return look(trace(module, IMAGES[:2]), "net", names, IMAGES[:3])


class Shuffled(nn.Module):
    """Gives the images of a batch in another order: what it makes is of the same kind, and of other images."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.last = inner, nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(x.roll(7, 0)))


@pytest.mark.parametrize("measure", ["cka", "cka_linear_biased", "cka_rbf", "procrustes", "knn", "l2", "rsa", "cca"])
def test_what_is_alike_has_the_smallest_p_value_and_what_is_not_has_any(measure):
    one = network(6, 8, 2)
    same, other = layers(one, "0"), layers(Shuffled(one[0]), "inner")
    told = [
        compare_pairs(Comparison(same, side, (find(measure),), N, permutations=19), lambda size: IMAGES.split(size))[0]
        for side in (same, other)
    ]
    assert all(each.permutations == 19 and each.p_values is not None for each in told)
    alike, unlike = (each.p_values[0][0] for each in told)
    assert alike == 1 / 20
    assert unlike > 0.1
    plain = compare_pairs(Comparison(same, other, (find(measure),), N), lambda size: IMAGES.split(size))[0]
    assert plain.p_values is None
    assert plain.values[0][0] == pytest.approx(told[1].values[0][0], abs=1e-5)


def test_batches_are_permuted_within():
    """Of two batches, the null of the first and of the second are added up, as the values are."""
    one, other = layers(network(6, 8, 2), "0"), layers(network(6, 8, 2, seed=1), "0")
    asked = Comparison(one, other, (find("cka_linear_minibatch_bs24"),), N, permutations=99)
    (found,) = compare_pairs(asked, lambda size: IMAGES.split(size))
    X, Y = (side.traced.network[0](IMAGES).detach() for side in (one, other))
    own = compute("cka_linear_minibatch_bs24", X, Y)
    assert found.values[0][0] == pytest.approx(own, abs=1e-6)
    generator = torch.Generator().manual_seed(1)
    null = []
    for _ in range(200):
        order = torch.cat([24 * k + torch.randperm(24, generator=generator) for k in range(2)])
        null.append(compute("cka_linear_minibatch_bs24", X, Y[order]))
    share = (1 + sum(value >= own for value in null)) / 201
    assert found.p_values[0][0] == pytest.approx(share, abs=0.06)


class Half(nn.Module):
    """Sees one of the two channels of an image."""

    def __init__(self, channel: int) -> None:
        super().__init__()
        torch.manual_seed(channel)
        self.channel, self.conv, self.fc = channel, nn.Conv2d(1, 3, 1), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x[:, self.channel : self.channel + 1]).mean((2, 3)))


def test_points_of_an_image_are_no_independent_samples():
    """The channels have nothing in common, but each is much the same all over an image: no more than chance."""
    measures = tuple(map(find, ("cka", "cka_linear_biased", "procrustes")))
    small = {measure.name: 0 for measure in measures}
    for seed in range(20):
        random = torch.Generator().manual_seed(seed)
        images = torch.randn(16, 2, 1, 1, generator=random) + 0.3 * torch.randn(16, 2, 4, 4, generator=random)
        one, other = (look(trace(Half(k), images[:2]), "half", ["conv"], images[:3]) for k in (0, 1))
        asked = Comparison(one, other, measures, 16, "positions", 8, permutations=19, seed=seed)
        for each in compare_pairs(asked, images.split):
            small[each.measure] += each.p_values[0][0] <= 0.1
    assert max(small.values()) <= 5, small  # 2 are expected; of shuffled points it would be most


def test_images_are_shuffled_with_all_their_points():
    order = shuffled(5, 3, torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(15))
    assert torch.equal(order.view(5, 3) % 3, torch.arange(3).expand(5, 3))
    assert (order.view(5, 3) // 3 == order.view(5, 3)[:, :1] // 3).all()
    plain = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shuffled(7, 1, torch.Generator().manual_seed(0)), plain)


@pytest.mark.parametrize(("measure", "points"), [("cka_linear_minibatch_bs8", 3), ("cka_linear_minibatch_bs4", 4)])
def test_batches_without_whole_images_to_shuffle_are_refused(measure, points):
    side = look(trace(Half(0), torch.rand(2, 2, 4, 4)), "half", ["conv"], torch.rand(3, 2, 4, 4))
    asked = Comparison(side, side, (find(measure),), 24, "positions", points)
    asked.check()
    with raises(MeasureError, measure, f"an image has {points}", "cka_linear_debiased"):
        replace(asked, permutations=9).check()


def test_what_is_equal_but_for_rounding_is_as_similar():
    """Of features of two values each it is whole numbers that decide, (n · overlap − a · b)²: many orders tie."""
    measure = find("cka_linear_biased")
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        a, b = (torch.rand(12, 1, generator=generator) < 0.4 for _ in range(2))
        left, right = measure.prepared(1.7 * a.double() + 0.1), measure.prepared(0.3 * b.double() + 0.7)
        orders = [torch.randperm(12, generator=generator) for _ in range(99)]
        found = p_values({measure: float(measure.value(left, right))}, left, right, orders)[measure]
        own, *others = (
            (12 * int((a & b[order]).sum()) - int(a.sum()) * int(b.sum())) ** 2 for order in (torch.arange(12), *orders)
        )
        assert found == (1 + sum(other >= own for other in others)) / 100


@pytest.mark.parametrize("measure", ["cka", "cka_linear_minibatch_bs6"])
def test_batches_tie_too(measure):
    for seed in range(8):
        images = (torch.rand(6, 2, 1, 1, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
        one, other = (look(trace(Half(k), images[:2]), "half", ["conv"], images[:3]) for k in (0, 1))
        asked = Comparison(one, other, (find(measure),), 6, permutations=199, seed=seed)
        if min(images.sum(0).min(), 6 - images.sum(0).max()) < 2:
            continue  # a single image that is unlike all others says nothing without bias
        (found,) = compare_pairs(asked, images.split)
        a, b = images[:, 0].flatten(), images[:, 1].flatten()
        generator = torch.Generator().manual_seed(seed)
        orders = [torch.arange(6), *(torch.randperm(6, generator=generator) for _ in range(199))]
        own, *others = (round(compute(measure, a[:, None], b[order][:, None]), 6) for order in orders)
        assert found.p_values[0][0] == (1 + sum(value >= own for value in others)) / 200


def test_scipy_finds_the_same_share():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=generator).double()
    y = 0.4 * x + torch.randn(12, 3, generator=generator).double()
    measure = find("cka_linear_biased")
    left, right = measure.prepared(x), measure.prepared(y)
    value = float(measure.value(left, right))
    orders = [torch.randperm(12, generator=generator) for _ in range(2000)]
    own = p_values({measure: value}, left, right, orders)[measure]

    def statistic(order):
        return compute(measure.name, x, y[torch.as_tensor(order).long()])

    told = stats.permutation_test(
        (list(range(12)),), statistic, permutation_type="pairings", n_resamples=2000, alternative="greater", rng=0
    )
    assert own == pytest.approx(told.pvalue, abs=0.03)
    assert prod([own, 1 - own]) > 0


def test_no_measure_takes_no_permutation():
    assert p_values({}, None, None, [torch.arange(3)]) == {}
