"""Orthogonal maps against scipy, random rotations and their own laws."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from suture.adapters import AdapterSpec, PairFits, build, fit
from suture.adapters.procrustes import rotate
from suture.adapters.sums import empty, residual, update
from suture.spec.cut import Cut, Layout

KINDS = ("linear", "mlp", "conv3x3")


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


def rows(n: int, p: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(p: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(rows(p, p, seed))[0]


def test_it_is_scipys():
    x, y = rows(60, 5) + 2, rows(60, 5, 1) - 1
    weight, bias, _ = rotate(update(empty([5], 5), x, y))
    expected, _ = orthogonal_procrustes((x - x.mean(0)).numpy(), (y - y.mean(0)).numpy())
    np.testing.assert_allclose(weight.T.numpy(), expected, atol=1e-10)
    torch.testing.assert_close(x.mean(0) @ weight.T + bias, y.mean(0))


@pytest.mark.parametrize(("p", "q"), [(5, 5), (4, 7), (7, 4)])
def test_it_has_orthonormal_rows_or_columns_and_the_greatest_inner_product(p, q):
    x, y = rows(60, p) + 2, rows(60, q, 1)
    weight, _, _ = rotate(update(empty([p], q), x, y))
    product = weight @ weight.T if q < p else weight.T @ weight
    torch.testing.assert_close(product, torch.eye(min(p, q), dtype=torch.float64))
    X, Y = x - x.mean(0), y - y.mean(0)
    for seed in range(50):
        other = rotation(max(p, q), seed)[:q, :p]
        assert (Y * (X @ other.T)).sum() < (Y * (X @ weight.T)).sum()


@pytest.mark.parametrize(("p", "q"), [(5, 5), (4, 7)])
def test_no_rotation_of_a_target_as_wide_comes_nearer(p, q):
    x, y = rows(60, p) + 2, rows(60, q, 1)
    sums = update(empty([p], q), x, y)
    _, _, left = rotate(sums)
    for seed in range(50):
        other = rotation(q, seed)[:, :p]
        assert left < residual(sums, other, sums.y_mean - other @ sums.x_mean)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_to_itself_is_the_identity_and_a_rotation_is_undone(kind):
    here = cut(Layout.NCHW, 6, 3, 3)
    x = torch.randn(40, 6, 3, 3, generator=torch.Generator().manual_seed(0)) + 1
    turned = torch.einsum("qp,nphw->nqhw", rotation(6, 3).float(), x)
    for source in (x, turned):
        adapter = build(AdapterSpec(kind, start="orthogonal"), here, here)
        assert not any(p.any() for name, p in adapter.named_parameters() if name.startswith("map"))
        assert fit(adapter, [(source[:9], x[:9]), (source[9:], x[9:])]).residual < 1e-9
        torch.testing.assert_close(adapter(source), x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(build_fit(here, x).matrix, torch.eye(6))


def build_fit(here: Cut, x: torch.Tensor):
    adapter = build(AdapterSpec(start="orthogonal"), here, here)
    fit(adapter, [(x, x)])
    return adapter


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_of_a_bottleneck_the_leading_directions_stay(rank):
    x, y = rows(60, 5).float(), rows(60, 4, 1).float()
    adapter = build(AdapterSpec("lowrank", start="orthogonal", rank=rank), cut(Layout.NC, 5), cut(Layout.NC, 4))
    report = fit(adapter, [(x, y)])
    left, _, right = np.linalg.svd(((x - x.mean(0)).T @ (y - y.mean(0))).double().numpy(), full_matrices=False)
    np.testing.assert_allclose(adapter.matrix.detach(), (left[:, :rank] @ right[:rank]).T, atol=1e-5)
    measured = (adapter(x) - y).square().sum() / (y - y.mean(0)).square().sum()
    assert report.residual == pytest.approx(measured.item(), rel=1e-4)


def test_nothing_is_scaled_so_that_the_mean_may_be_better():
    x = rows(60, 4).float()
    report = fit(build(AdapterSpec(start="orthogonal"), cut(Layout.NC, 4), cut(Layout.NC, 4)), [(100 * x, x)])
    assert report.residual == pytest.approx(99**2, rel=1e-4)


def test_all_pairs_in_one_pass_are_the_single_fits():
    cuts = [cut(Layout.NCHW, 6, 3, 3), cut(Layout.NLC, 10, 4), cut(Layout.NC, 7)]
    xs, ys = ([torch.randn(30, *c.shape, generator=torch.Generator().manual_seed(s)) for c in cuts] for s in (0, 1))
    for kind in (*KINDS, "lowrank"):
        spec = AdapterSpec(kind, start="orthogonal")
        fits = PairFits(cuts, cuts, spec)
        fits.update(xs, ys)
        assert len(fits.pairs) == 9
        for i, j in fits.pairs:
            alone = build(spec, cuts[i], cuts[j])
            assert fits.solve(i, j)[2].residual == pytest.approx(fit(alone, [(xs[i], ys[j])]).residual)
            torch.testing.assert_close(fits.adapter(i, j)(xs[i]), alone(xs[i]), rtol=1e-4, atol=1e-4)
