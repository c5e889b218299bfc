"""Masks against scipy, brute force and their own laws."""

from itertools import permutations

import numpy as np
import pytest
import torch

from raising import raises
from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters.lstsq import solve_within
from suture.adapters.masks import abs_semi_match, matching, random_permutation, semi_match
from suture.adapters.sums import Sums, correlation, empty, residual, update
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout
from suture.spec.names import MASKS

FITTED = ("semi-match", "abs-semi-match", "matching")
NCHW, NLC, NC, NCL = Layout.NCHW, Layout.NLC, Layout.NC, Layout.NCL


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


def rows(n: int, p: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sums_of(x: torch.Tensor, y: torch.Tensor) -> Sums:
    sums = empty([x.shape[1]], y.shape[1])
    for part in (slice(0, 7), slice(7, None)):
        sums = update(sums, x[part], y[part])
    return sums


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_correlations_are_numpys(mean):
    x, y = rows(60, 5) + mean, rows(60, 3, 1) - mean
    expected = np.corrcoef(x.T.numpy(), y.T.numpy())[5:, :5]
    np.testing.assert_allclose(correlation(sums_of(x, y)).numpy(), expected, atol=1e-9)


def test_a_constant_channel_correlates_with_nothing():
    x, y = rows(60, 4).float(), rows(60, 3, 1).float()
    x[:, 2], y[:, 1] = 0.1, -3.7
    found = correlation(sums_of(x, y))
    assert not found[:, 2].any()
    assert not found[1].any()
    assert (found != 0).sum() == 6


def test_semi_matches_are_the_highest():
    correlations = torch.tensor([[0.1, -0.9, 0.5], [0.2, 0.3, 0.0]])
    assert semi_match(correlations).nonzero().tolist() == [[0, 2], [1, 1]]
    assert abs_semi_match(correlations).nonzero().tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("seed", range(5))
def test_a_matching_is_the_best_of_all(seed):
    correlations = rows(4, 6, seed)
    mask = matching(correlations)
    best = max(sum(correlations[q, p] for q, p in enumerate(order)) for order in permutations(range(6), 4))
    assert (mask.sum(1) == 1).all()
    assert (mask.sum(0) <= 1).all()
    assert correlations[mask].sum() == pytest.approx(float(best))


def test_a_random_permutation_is_one_and_one_of_all():
    seen = set()
    for seed in range(200):
        mask = random_permutation(4, 3, torch.Generator().manual_seed(seed))
        assert mask.shape == (3, 4)
        assert (mask.sum(1) == 1).all()
        assert (mask.sum(0) <= 1).all()
        seen.add(tuple(mask.int().argmax(1).tolist()))
    assert seen == set(permutations(range(4), 3))


def test_a_random_mask_does_not_depend_on_the_start():
    here = cut(NC, 9)
    for seed in (0, 1):
        masks = [
            build(AdapterSpec(mask="random-permutation", start=start), here, here, seed).mask
            for start in ("least-squares", "random", "eye", "ones-zeros")
        ]
        assert all(torch.equal(mask, masks[0]) for mask in masks)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
def test_least_squares_within_a_mask_is_numpys_on_the_allowed_columns(ridge):
    x, y = rows(50, 6) + 2, rows(50, 4, 1)
    mask = torch.tensor([[1, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0], [1, 0, 1, 1, 0, 0], [0] * 6]).bool()
    weight, bias, left = solve_within(sums_of(x, y), mask, ridge)
    X, Y = (x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()
    expected = np.zeros((4, 6))
    for target, allowed in enumerate(mask.numpy()):
        tall = np.vstack([X[:, allowed], np.sqrt(ridge) * np.eye(allowed.sum())])
        expected[target, allowed] = np.linalg.lstsq(tall, np.append(Y[:, target], np.zeros(allowed.sum())))[0]
    np.testing.assert_allclose(weight.numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(bias.numpy(), y.mean(0).numpy() - expected @ x.mean(0).numpy(), atol=1e-9)
    assert left == pytest.approx(np.square(Y - X @ expected.T).sum() / np.square(Y).sum())


def test_one_source_is_covariance_over_variance_and_a_constant_one_is_nothing():
    x, y = rows(50, 3).float(), rows(50, 3, 1).float()
    x[:, 1] = 0.3
    weight, bias, _ = solve_within(sums_of(x, y), torch.eye(3).bool())
    covariance = np.cov(x.T.double().numpy(), y.T.double().numpy())
    for k in (0, 2):
        assert weight[k, k].item() == pytest.approx(covariance[k, 3 + k] / covariance[k, k], rel=1e-6)
    assert weight[1, 1] == 0
    assert bias[1].item() == pytest.approx(y[:, 1].double().mean().item())


def test_a_residual_is_that_of_any_map():
    x, y, weight, bias = rows(50, 5) + 3, rows(50, 2, 1), rows(2, 5, 2), rows(2, 1, 3)[:, 0]
    measured = (y - x @ weight.T - bias).square().sum() / (y - y.mean(0)).square().sum()
    assert residual(sums_of(x, y), weight, bias) == pytest.approx(measured.item())
    assert measured > 1
    assert residual(sums_of(x, torch.full((50, 2), 5.0)), torch.zeros(2, 5), torch.full((2,), 5.0)) == 0


@pytest.mark.parametrize("mask", ["semi-match", "matching"])
@pytest.mark.parametrize("layout", [NCHW, NLC, NC, NCL])
def test_a_cut_reads_itself_and_permuted_channels_are_undone(mask, layout):
    shape = {NCHW: (6, 3, 3), NLC: (9, 6), NC: (6,), NCL: (6, 9)}[layout]
    here, axis = cut(layout, *shape), 1 if layout in (NCHW, NCL) else -1
    x = torch.randn(40, *shape, generator=torch.Generator().manual_seed(0)) + 1
    adapter = build(AdapterSpec(mask=mask), here, here)
    assert fit(adapter, [(x, x)]).residual < 1e-9
    torch.testing.assert_close(adapter.matrix, torch.eye(6))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    shuffled = x.index_select(axis, order)
    for start in ("least-squares", "ones-zeros"):
        adapter = build(AdapterSpec(mask=mask, start=start), here, here)
        fit(adapter, [(shuffled[:20], x[:20]), (shuffled[20:], x[20:])])
        torch.testing.assert_close(adapter(shuffled), x)


def test_what_is_turned_over_is_undone_by_absolute_correlation():
    here, x = cut(NC, 5), rows(40, 5).float()
    adapter = build(AdapterSpec(mask="abs-semi-match"), here, here)
    fit(adapter, [(-x.flip(1), x)])
    torch.testing.assert_close(adapter(-x.flip(1)), x)


@pytest.mark.parametrize("start", ["random", "eye", "ones-zeros"])
@pytest.mark.parametrize("mask", FITTED)
def test_of_a_start_that_is_not_fitted_only_the_mask_is(mask, start):
    here = cut(NCHW, 6, 3, 3)
    x, y = (torch.randn(20, 6, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    adapter, plain = (build(AdapterSpec(mask=m, start=start), here, here) for m in (mask, "identity"))
    torch.testing.assert_close(adapter.matrix, plain.matrix, rtol=0, atol=0)
    before = adapter.map.bias.clone()
    report = fit(adapter, [(x, y)])
    torch.testing.assert_close(adapter.matrix, plain.matrix * adapter.mask, rtol=0, atol=0)
    assert torch.equal(adapter.map.bias, before)
    measured = (adapter(x) - y).square().sum() / (y - y.mean((0, 2, 3), keepdim=True)).square().sum()
    assert report.residual == pytest.approx(measured.item(), rel=1e-4)


def test_fewer_allowed_channels_leave_more():
    source, target = cut(NC, 7), cut(NC, 4)
    x, y = rows(40, 7).float(), rows(40, 4, 1).float()
    left = {mask: fit(build(AdapterSpec(mask=mask), source, target), [(x, y)]).residual for mask in MASKS}
    assert left["identity"] < left["abs-semi-match"] < min(left["semi-match"], left["matching"]) < 1
    assert left["abs-semi-match"] < left["random-permutation"] <= 1


@pytest.mark.parametrize("mask", ["matching", "random-permutation"])
def test_one_to_one_wants_enough_source_channels(mask):
    with raises(AdapterError, f"a {mask} mask from here (NC 4) to here (NC 5) has 4 channels to give to 5"):
        build(AdapterSpec(mask=mask), cut(NC, 4), cut(NC, 5))
    build(AdapterSpec(mask="semi-match"), cut(NC, 4), cut(NC, 5))


@pytest.mark.parametrize("start", ["least-squares", "random"])
@pytest.mark.parametrize("mask", MASKS[1:])
def test_all_pairs_in_one_pass_are_the_single_fits(mask, start):
    cuts = [cut(NCHW, 6, 3, 3), cut(NLC, 10, 4), cut(NC, 7)]
    xs, ys = ([torch.randn(30, *c.shape, generator=torch.Generator().manual_seed(s)) for c in cuts] for s in (0, 1))
    spec = AdapterSpec(mask=mask, start=start)
    fits = PairFits(cuts, cuts, spec, seed=5)
    fits.update(xs, ys)
    one_to_one = mask in ("matching", "random-permutation")
    wanted = [(i, j) for i in range(3) for j in range(3) if not one_to_one or cuts[i].channels >= cuts[j].channels]
    assert list(fits.pairs) == wanted
    for i, j in fits.pairs:
        alone, together = build(spec, cuts[i], cuts[j], seed=5), fits.adapter(i, j)
        report = fit(alone, [(xs[i], ys[j])])
        assert torch.equal(together.mask, alone.mask)
        torch.testing.assert_close(together(xs[i]), alone(xs[i]), rtol=1e-4, atol=1e-5)
        weight, bias, shared = fits.solve(i, j)
        assert shared.residual == pytest.approx(report.residual)
        torch.testing.assert_close(weight.float(), alone.matrix, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(bias.float(), alone.map.bias, rtol=1e-4, atol=1e-5)
