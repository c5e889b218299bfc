"""Permutation tests: p-values of what is alike, and of what is not."""

from itertools import pairwise
from math import prod

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from suture.graph import trace
from suture.measures import Comparison, Layers, compare_pairs, compute, find, look
from suture.measures.null import p_values

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
