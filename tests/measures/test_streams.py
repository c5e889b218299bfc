"""Sums over batches: what they come to, in which units, and that they take no more memory for more samples."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from suture.measures import compute
from suture.measures.functional import minibatch, moments
from suture.measures.streams import BatchSums, EntrySums, Gramian, MomentSums


def draw(n: int, d: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def hsic(K: Tensor, L: Tensor) -> float:
    """Song et al. 2012, eq. 5, as it stands there."""
    n, one = len(K), torch.ones(len(K), dtype=K.dtype)
    k, m = (g - g.diag().diag() for g in (K, L))
    inner = (
        torch.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ m @ one
    )
    return float(inner / (n * (n - 3)))


@given(n=st.integers(4, 12), p=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_inner_product_of_u_centred_gram_matrices_is_hsic(n, p, seed):
    x, y = draw(n, p, seed), draw(n, 3, seed + 100)
    K, L = x @ x.T, y @ y.T
    a, b = minibatch.u_centred(K.clone()), minibatch.u_centred(L.clone())
    assert float((a * b).sum()) / (n * (n - 3)) == pytest.approx(hsic(K, L), rel=1e-9, abs=1e-9)
    assert a.sum(0).abs().max() < 1e-9
    assert not a.diagonal().any()


def test_stacks_of_gram_matrices_are_centred_one_by_one():
    grams = torch.stack([x @ x.T for x in (draw(6, 3, 0), draw(6, 4, 1))])
    apart = torch.stack([minibatch.u_centred(gram.clone()) for gram in grams])
    assert torch.allclose(minibatch.u_centred(grams), apart, atol=1e-12)


@pytest.mark.parametrize(
    ("n", "rows"), [(1, 1), (256, 256), (257, 129), (500, 250), (2000, 250), (2048, 256), (0, 256)]
)
def test_batches_are_few_and_about_equal(n, rows):
    assert minibatch.batch_rows(n) == rows


@pytest.mark.parametrize("scale", [1e-18, 1e-12, 1.0, 1e12, 1e18])
@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_units_do_not_matter(scale, mean):
    x, y = draw(40, 30, 0, torch.float32) + mean, draw(40, 9, 1, torch.float32)
    sums = BatchSums(0, 0)
    left, right = Gramian(10), Gramian(10)
    for rows in range(0, 40, 20):
        part = slice(rows, rows + 20)
        sums.update([left("x", x[part] * scale)], [right("y", y[part] / scale)])
    assert float(sums.values()) == pytest.approx(compute("cka_linear_minibatch_bs10", x, y), abs=2e-6)


def test_a_layer_that_wakes_up_late_counts_from_there():
    x, y = draw(30, 5, 0, torch.float32), draw(30, 5, 1, torch.float32)
    x[:10] = 0
    sums, left, right = BatchSums(0, 0), Gramian(10), Gramian(10)
    for part in (slice(0, 10), slice(10, 20), slice(20, 30)):
        sums.update([left("x", x[part])], [right("y", y[part])])
    assert sums.faults() == ([None], [None])
    assert float(sums.values()) == pytest.approx(compute("cka_linear_minibatch_bs10", x, y), abs=1e-6)


def test_up_to_three_rows_left_over_are_not_used():
    gramian = Gramian(8)
    assert [len(gram) for gram, _ in gramian("x", draw(19, 4, 0))] == [8, 8]
    assert [len(gram) for gram, _ in gramian("x", draw(20, 4, 0))] == [8, 8, 4]


@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 50))
def test_moments_do_not_mind_how_the_rows_come(cuts, seed):
    n = sum(cuts) + 2
    x, y = draw(n, 3, seed) + 50, draw(n, 2, seed + 1)
    sums = MomentSums()
    for left, right in zip(x.split([*cuts, 2]), y.split([*cuts, 2]), strict=True):
        sums.update([left[:, :1], left], [right])
    (xx, xxx), (yy,), ((_,), (xy,)) = sums.products()
    a, b = x - x.mean(0), y - y.mean(0)
    for found, expected in ((xx, a[:, :1].T @ a[:, :1]), (xxx, a.T @ a), (yy, b.T @ b), (xy, a.T @ b)):
        assert torch.allclose(found, expected, atol=1e-9)


def test_a_constant_column_leaves_exactly_nothing():
    sums = MomentSums()
    for _ in range(3):
        sums.update([torch.full((7, 2), 0.1)], [draw(7, 1, 0)])
    (xx,), _, _ = sums.products()
    assert not xx.any()


def test_the_size_of_moments_is_what_they_take():
    sums = moments.update(None, [draw(4, 3, 0), draw(4, 5, 1)], [draw(4, 2, 2)])
    held = sum(8 * tensor.numel() for tensor in (*sums.xx, *sums.yy, sums.xy))
    assert moments.size([3, 5], [2]) == held


def test_entries_are_averaged_over_all_batches():
    x, y = draw(9, 4, 0), draw(9, 4, 1)
    sums = EntrySums()
    for part in (slice(0, 5), slice(5, 9)):
        sums.update({"a": x[part]}, {"b": y[part]}, [("a", "b")])
    assert sums.values()["a", "b"] == pytest.approx(compute("l2", x, y), abs=1e-12)


PEAK = """
import resource, torch
from suture.graph import trace
from suture.measures import Comparison, compare_pairs, find, look
from torch import nn
parts = nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(128, 4)
net = nn.Sequential(*parts).eval()
side = look(trace(net, torch.rand(2, 3, 8, 8)), "net", ["0", "1", "2"], torch.rand(3, 3, 8, 8))
measures = tuple(map(find, ("cka", "cka_linear_biased", "cca", "procrustes", "l2")))
for n in (2000, 20000):
    for spatial in ("mean", "positions"):
        batches = lambda size: (torch.rand(min(size, n - start), 3, 8, 8) for start in range(0, n, size))
        found = compare_pairs(Comparison(side, side, measures, n, spatial=spatial), batches)
        assert all(each.streams and each.values[0][1] is not None for each in found), found
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_ten_times_the_samples_take_no_more_memory():
    """In a process of its own, whose peak so far the system tells; the images are made as they are wanted."""
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    few, many = map(int, done.stdout.split())
    assert many <= 1.05 * few
