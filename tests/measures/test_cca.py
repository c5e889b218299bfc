"""Canonical correlations and linear regression, against their definitions written out and outside implementations."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.cross_decomposition import CCA
from sklearn.linear_model import LinearRegression

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute


@pytest.fixture(params=[(60, 5, 5), (60, 4, 9), (60, 9, 4)], ids=str)
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    n, p, q = request.param
    random = np.random.default_rng(0)
    x = random.normal(size=(n, p)) * np.logspace(0, 1, p) + 3
    return x, x @ random.normal(size=(p, q)) / p + 2 * random.normal(size=(n, q))


def centred(*pair: np.ndarray) -> list[np.ndarray]:
    return [z - z.mean(0) for z in pair]


def test_scipy_finds_the_same_canonical_correlations(pair):
    cosines = np.cos(subspace_angles(*centred(*pair)))
    assert compute("cca_mean", *pair) == pytest.approx(cosines.mean(), abs=1e-12)
    assert compute("cca_r2", *pair) == pytest.approx((cosines**2).mean(), abs=1e-12)


def test_sklearn_finds_the_same_canonical_correlations(pair):
    count = min(pair[0].shape[1], pair[1].shape[1])
    variates = CCA(count, tol=1e-12, max_iter=100_000).fit_transform(*pair)
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(z.T for z in variates), strict=True)]
    assert compute("cca_mean", *pair) == pytest.approx(np.mean(found), abs=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
def test_svcca_is_the_cca_of_the_leading_directions(pair, share):
    kept = []
    for z in centred(*pair):
        u, s, _ = np.linalg.svd(z, full_matrices=False)
        kept.append(u[:, : np.searchsorted(np.cumsum(s**2) / (s**2).sum(), share - 1e-12) + 1])
    expected = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean()
    assert compute(f"svcca_{share:g}", *pair) == pytest.approx(expected, abs=1e-12)
    if share == 1:
        assert compute("svcca_1", *pair) == pytest.approx(compute("cca_mean", *pair), abs=1e-12)


def test_pwcca_weighs_by_the_projections_on_the_columns(pair):
    for name, (x, y) in {"pwcca_x": centred(*pair), "pwcca_y": centred(*pair[::-1])}.items():
        (qx, _), (qy, _) = np.linalg.qr(x), np.linalg.qr(y)
        u, correlations, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
        weights = np.abs((qx @ u).T @ x).sum(1)
        assert compute(name, *pair) == pytest.approx((weights * correlations).sum() / weights.sum(), abs=1e-12)
    assert compute("pwcca_x", *pair) == pytest.approx(compute("pwcca_y", *pair[::-1]), abs=1e-12)


def test_pwcca_has_no_weights_for_some_correlations_of_1():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 12)), random.normal(size=(20, 13))
    for name in ("pwcca_x", "pwcca_y"):
        with raises(MeasureError, f"{name} of X and Y", "6 of the 12 correlations are 1", "cca_mean"):
            compute(name, x, y)
        both = np.concatenate([y[:, :3], x[:, :3]], 1)
        assert compute(name, x[:, :3], both) == pytest.approx(1, abs=1e-9)
        assert compute(name, both, x[:, :3]) == pytest.approx(1, abs=1e-9)


def test_sklearn_finds_the_same_r2(pair):
    for name, (x, y) in {"linreg_r2_x_to_y": pair, "linreg_r2_y_to_x": pair[::-1]}.items():
        predicted = LinearRegression().fit(x, y).predict(x)
        expected = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
        assert compute(name, *pair) == pytest.approx(expected, abs=1e-12)


def test_columns_that_are_constant_or_twice_there_do_not_count(pair):
    x, y = pair
    more = np.concatenate([x, np.full((60, 2), 0.1), x[:, :3]], 1)
    for name in ("cca_mean", "cca_r2", "linreg_r2_x_to_y", "pwcca_y"):
        assert compute(name, more, y) == pytest.approx(compute(name, x, y), abs=1e-9)
        assert compute(name, more.astype(np.float32), y) == pytest.approx(compute(name, x, y), abs=1e-5)


def test_a_wide_matrix_may_be_explained_but_explains_nothing():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 3)), random.normal(size=(20, 50))
    assert 0 < compute("linreg_r2_x_to_y", x, y) < 0.5
    assert compute("linreg_r2_y_to_x", y, x) == pytest.approx(compute("linreg_r2_x_to_y", x, y), abs=1e-12)
    with raises(MeasureError, "linreg_r2_x_to_y of 20 samples that have 50 features"):
        compute("linreg_r2_x_to_y", y, x)
    for name in ("cca_mean", "cca_r2", "pwcca_x", "pwcca_y"):
        with raises(MeasureError, f"{name} of 20 samples that have 50 features", "52 samples"):
            compute(name, x, y)


def test_svcca_takes_wide_matrices_of_few_leading_directions_and_no_others():
    random = np.random.default_rng(0)
    flat, x = random.normal(size=(20, 400)), random.normal(size=(20, 3))
    steep = flat[:, :20] @ np.diag(np.logspace(0, -3, 20)) @ random.normal(size=(20, 400))
    assert 0 < compute("svcca_0.99", steep, x) < 0.9
    with raises(MeasureError, "svcca_0.99 of X and Y", "in 19 directions", "18 directions at most", "svcca_0.495"):
        compute("svcca_0.99", flat, x)
    assert 0 < compute("svcca_0.495", flat, x) < 0.95
