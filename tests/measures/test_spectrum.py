"""The decomposition that the measures of covariances share: from rows of any shape, and from second moments."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute, find
from suture.measures.functional.spectrum import SPECTRUM, cross, permuted, prepare, relate, settle

NAMES = (
    "cca_mean",
    "cca_r2",
    "svcca_0.9",
    "pwcca_x",
    "pwcca_y",
    "procrustes_normalised",
    "angular_shape",
    "linreg_r2_x_to_y",
    "linreg_r2_y_to_x",
    "cka_linear_biased",
)


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_moments(name: str, x: Tensor, y: Tensor) -> float:
    family = find(name).family
    x, y = (z.double() - z.double().mean(0) for z in (x, y))
    a, b = family.settle(x.T @ x), family.settle(y.T @ y)
    return float(find(name).compare(a, b, family.cross(a, b, x.T @ y)))


@pytest.mark.parametrize(("n", "d"), [(30, 7), (20, 20), (20, 21), (20, 9000)])
def test_it_is_the_decomposition_of_the_centred_matrix_in_its_own_units(n, d):
    x = 1e3 * draw(n, d) + 5
    side, rows = prepare(x), x - x.mean(0)
    rank = min(n - 1, d)
    assert side.u.shape == (n, rank)
    assert torch.allclose(side.u.T @ side.u, torch.eye(rank, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(side.s, torch.linalg.svdvals(rows)[:rank], rtol=1e-10)
    assert torch.allclose(side.u * side.s.square() @ side.u.T, rows @ rows.T, rtol=0, atol=1e-9 * float(side.norm) ** 2)
    assert side.norm == pytest.approx(float(rows.norm()))
    if d <= n:
        assert torch.allclose(side.u * side.s @ side.v.T, rows, atol=1e-9)
    else:
        assert side.v is None


def test_columns_that_are_constant_or_sums_of_others_are_no_directions():
    x = draw(40, 5)
    more = torch.cat([x, torch.full((40, 2), 0.1), x[:, :2], x[:, :1] + x[:, 1:2]], 1)
    centred = more - more.mean(0)
    for side in (prepare(more), prepare(more.float()), settle(centred.T @ centred)):
        assert len(side.s) == 5


def test_second_moments_see_no_direction_below_a_millionth_of_the_largest_and_all_above():
    x, y = draw(400, 6), draw(400, 3, 1)
    x = torch.linalg.qr(x - x.mean(0)).Q
    for small, rank in ((1e-5, 6), (1e-7, 5)):
        scaled = x * torch.tensor([1, 1, 1, 1, 1, small])
        side = settle(scaled.T @ scaled)
        assert len(side.s) == rank
        assert side.s[-1] == pytest.approx(1 if rank == 5 else small, rel=1e-4)
        assert len(prepare(scaled).s) == 6
        assert by_moments("cca_mean", scaled, y) == pytest.approx(compute("cca_mean", x[:, :rank], y), abs=1e-4)


def test_rounding_of_single_precision_is_no_direction_of_second_moments():
    x = draw(3000, 8)
    twice = torch.cat([x, x @ draw(8, 4, 1)], 1).float()  # the sums are rounded, and no longer of rank 8
    centred = twice.double() - twice.double().mean(0)
    assert len(settle(centred.T @ centred).s) == 8


@settings(max_examples=40)
@given(
    p=st.integers(1, 8),
    q=st.integers(1, 8),
    n=st.integers(18, 40),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-12, 1, 1e12]),
)
def test_moments_and_rows_tell_the_same_within_the_range(p, q, n, seed, scale):
    x = draw(n, p, seed) * torch.logspace(0, 1.5, p) * scale
    y = x[:, :1] / scale + draw(n, q, seed + 100)
    for name in NAMES:
        value = compute(name, x, y)
        assert by_moments(name, x, y) == pytest.approx(value, abs=1e-7), name
        assert 0 <= value <= (2 if name in ("procrustes_normalised", "angular_shape") else 1) + 1e-12


@pytest.mark.parametrize("least", [-3, -4.5, -5.5])
def test_a_layer_of_very_different_variances_is_like_itself_by_second_moments_too(least):
    x = (draw(600, 40) * torch.logspace(0, least, 40) @ torch.linalg.qr(draw(40, 40, 1)).Q).float()
    for name in NAMES:
        own = 0 if not find(name).higher_is_more_similar else 1
        assert by_moments(name, x, x) == pytest.approx(own, abs=2e-6), name


def test_leading_directions_hold_the_share_and_one_less_does_not():
    side = prepare(draw(60, 12) * torch.logspace(0, -2, 12))
    held = side.s.square().cumsum(0) / side.s.square().sum()
    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        k = side.leading(share)
        assert held[k - 1] >= share
        assert k == 1 or held[k - 2] < share
    assert side.leading(1.0) == 12


def test_cosines_are_the_same_whichever_way_and_the_order_of_rows_goes_with_u():
    x, y = draw(30, 4) + 1, draw(30, 5, 1)
    a, b = x - x.mean(0), y - y.mean(0)
    rows = relate(prepare(x), prepare(y))
    moments = cross(settle(a.T @ a), settle(b.T @ b), a.T @ b)
    assert torch.allclose(rows.matrix.abs(), moments.matrix.abs(), atol=1e-10)  # up to the signs of the vectors
    assert torch.allclose(rows.correlations, rows.svd[1], atol=1e-12)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = permuted(prepare(x), order)
    assert torch.allclose(shuffled.u * shuffled.s @ shuffled.v.T, a[order], atol=1e-12)


def test_nothing_in_a_matrix_and_nothing_in_its_moments_are_refused():
    with raises(MeasureError, "the same for every sample", "another layer"):
        SPECTRUM.prepare(torch.full((9, 4), 0.3))
    for family in (SPECTRUM, find("cka_linear_biased").family):
        with raises(MeasureError, "the same for every sample"):
            family.settle(torch.zeros(4, 4, dtype=torch.float64))
