"""Streaming least squares against numpy, scikit-learn and its own laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from suture.adapters.lstsq import solve
from suture.adapters.sums import Sums, empty, pick, update


def sums_of(x: torch.Tensor, y: torch.Tensor, *batches: int) -> Sums:
    sums = empty([x.shape[1]], y.shape[1])
    sizes = [*batches, len(x) - sum(batches)]
    for xs, ys in zip(x.split(sizes), y.split(sizes), strict=True):
        sums = update(sums, xs, ys)
    return sums


def rows(n: int, p: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_known_affine_map_is_recovered():
    x, weight, bias = rows(200, 6), rows(4, 6, 1), rows(4, 1, 2)[:, 0]
    w, b, residual = solve(sums_of(x, x @ weight.T + bias))
    torch.testing.assert_close(w, weight)
    torch.testing.assert_close(b, bias)
    assert residual < 1e-12


def test_fitting_x_to_itself_gives_the_identity():
    x = rows(200, 6) + 3
    w, b, residual = solve(sums_of(x, x))
    torch.testing.assert_close(w, torch.eye(6, dtype=torch.float64))
    torch.testing.assert_close(b, torch.zeros(6, dtype=torch.float64))
    assert residual < 1e-12


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 20), max_size=5), st.integers(0, 100))
def test_any_split_into_batches_gives_the_same(batches, seed):
    x, y = rows(100, 5, seed), rows(100, 3, seed + 1)
    for split, whole in zip(solve(sums_of(x, y, *batches)), solve(sums_of(x, y)), strict=True):
        torch.testing.assert_close(split, whole)


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_it_agrees_with_numpy_even_at_large_means(mean):
    x = (rows(500, 8) * torch.logspace(0, -2, 8) + mean).float()
    y = (rows(500, 3, 1) + x.double() @ rows(8, 3, 2) - mean).float()
    w, b, residual = solve(sums_of(x, y, 7, 100))
    design = np.column_stack([x.double().numpy() - mean, np.ones(500)])
    expected, rss, *_ = np.linalg.lstsq(design, y.double().numpy(), rcond=None)
    np.testing.assert_allclose(w.numpy(), expected[:-1].T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(b.numpy() + mean * w.sum(1).numpy(), expected[-1], rtol=1e-6, atol=1e-6)
    variance = y.double().var(0, correction=0).sum() * 500
    np.testing.assert_allclose(residual, rss.sum() / variance.item(), rtol=1e-6)


@pytest.mark.parametrize(
    "x",
    [
        rows(4, 10),
        torch.cat([rows(100, 5), torch.zeros(100, 2), torch.full((100, 1), 3.0)], 1),
        rows(100, 3) @ rows(3, 7, 1) + 2,
        (rows(100, 3) @ rows(3, 7, 1) + 2).float(),
    ],
    ids=["fewer rows than channels", "dead channels", "dependent channels", "dependent in float32"],
)
def test_where_many_maps_fit_it_is_the_one_of_minimum_norm(x):
    y = rows(len(x), 4, 3)
    w, b, _ = solve(sums_of(x, y, 1))
    x = x.double()
    expected = (torch.linalg.pinv(x - x.mean(0), rtol=1e-6) @ (y - y.mean(0))).T
    torch.testing.assert_close(w, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(b, y.mean(0) - expected @ x.mean(0), rtol=1e-5, atol=1e-5)


def test_one_row_and_constant_rows_give_the_mean():
    for x, y in ((rows(1, 3), rows(1, 2, 1)), (torch.ones(9, 3), torch.full((9, 2), 5.0))):
        w, b, residual = solve(sums_of(x, y))
        assert not w.any()
        torch.testing.assert_close(b, y[0].double())
        assert residual == 0


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 100.0])
def test_ridge_is_scikit_learns(ridge):
    x, y = rows(60, 5) + 1, rows(60, 3, 1)
    w, b, _ = solve(sums_of(x, y), ridge)
    expected = Ridge(ridge).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(w.numpy(), expected.coef_, rtol=1e-8)
    np.testing.assert_allclose(b.numpy(), expected.intercept_, rtol=1e-8)
    reached = np.square(y.numpy() - expected.predict(x.numpy())).sum() / y.sub(y.mean(0)).square().sum()
    np.testing.assert_allclose(solve(sums_of(x, y), ridge)[2], reached.item(), rtol=1e-8)


def test_an_update_leaves_its_arguments_alone():
    x, y = rows(10, 3), rows(10, 2)
    first = sums_of(x, y)
    gram, seen = first.grams[0].clone(), x.clone()
    second = update(first, x, y)
    assert (first.n, second.n) == (10, 20)
    assert torch.equal(first.grams[0], gram)
    assert torch.equal(x, seen)
    assert update(first, x[:0], y[:0]) is first


def test_sources_side_by_side_are_as_if_alone():
    a, b, y, z = rows(50, 3), rows(50, 4, 1), rows(50, 2, 2), rows(50, 3, 3)
    both = update(empty([3, 4], 5), torch.cat([a, b], 1), torch.cat([y, z], 1))
    for k, x in enumerate((a, b)):
        for columns, target in ((slice(0, 2), y), (slice(2, 5), z)):
            together, alone = solve(pick(both, k, columns)), solve(sums_of(x, target))
            for left, right in zip(together, alone, strict=True):
                torch.testing.assert_close(left, right)
