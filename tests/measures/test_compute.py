"""``compute``: what it takes, and what outside implementations say."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from scipy.spatial import procrustes
from sklearn.linear_model import LinearRegression

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 6)) + 3
    return x, x @ random.normal(size=(6, 6)) + random.normal(size=(40, 6))


def test_scipy_finds_the_same_procrustes_distance(pair):
    _, _, left = procrustes(*pair)  # 1 − ‖XᵀY‖∗², of matrices centred and of norm 1
    alike = 1 - compute("procrustes_normalised", *pair) ** 2 / 2
    assert 1 - alike**2 == pytest.approx(left, abs=1e-12)


def test_scipy_finds_the_same_canonical_correlations(pair):
    x, y = (z - z.mean(0) for z in pair)
    assert compute("cca_mean", *pair) == pytest.approx(np.cos(subspace_angles(x, y)).mean(), abs=1e-12)
    narrow = np.cos(subspace_angles(x[:, :2], y)).mean()
    assert compute("cca_mean", pair[0][:, :2], pair[1]) == pytest.approx(narrow, abs=1e-12)


def test_sklearn_finds_the_same_r2(pair):
    x, y = pair
    predicted = LinearRegression().fit(x, y).predict(x)
    expected = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
    assert compute("linreg_r2_x_to_y", x, y) == pytest.approx(expected, abs=1e-12)


def test_l2_is_the_mean_of_squares(pair):
    x, y = pair
    assert compute("l2", x, y) == pytest.approx(((x - y) ** 2).mean(), abs=1e-12)


def test_columns_that_are_constant_or_twice_there_do_not_count(pair):
    x, y = pair
    more = np.concatenate([x, np.full((40, 2), 0.1), x[:, :3]], 1)
    for name in ("cca_mean", "linreg_r2_x_to_y"):
        assert compute(name, more, y) == pytest.approx(compute(name, x, y), abs=1e-9)
        assert compute(name, more.astype(np.float32), y) == pytest.approx(compute(name, x, y), abs=1e-5)


def test_arrays_tensors_lists_and_whole_numbers_are_matrices(pair):
    whole = np.round(pair[0] * 10).astype(int)
    expected = compute("cka_linear_biased", whole.astype(float), pair[1])
    assert compute("cka_linear_biased", whole, torch.as_tensor(pair[1])) == expected
    assert compute("cka_linear_biased", whole.tolist(), pair[1]) == expected


@pytest.mark.parametrize(
    ("name", "x", "y", "told"),
    [
        ("cka", np.eye(5), np.eye(5), "cka_linear"),
        ("prokrustes", np.eye(5), np.eye(5), "procrustes_normalised"),
        ("cka_linear_biased", np.eye(5), np.eye(4), "compute('cka_linear_biased', X[:4], Y[:4])"),
        ("cka_linear_biased", np.zeros((5, 2, 2)), np.eye(5), "X.reshape(len(X), -1)"),
        ("cka_linear_biased", np.eye(5), np.zeros((5, 0)), "Y is of shape (5, 0)"),
        ("cka_linear_biased", np.eye(5), np.eye(5) * 1j, "complex128"),
        ("cka_linear_biased", np.eye(5), [["a"] * 3] * 5, "Y is no matrix of numbers"),
        ("cka_linear_biased", np.eye(2), np.eye(2), "2 samples are too few"),
        ("cka_linear_debiased", np.eye(3), np.eye(3), "4 or more"),
        ("l2", np.eye(5), np.zeros((5, 4)), "the shapes are 5 and 4"),
        ("cca_mean", np.eye(5), np.zeros((5, 2)), "7 samples or more"),
        ("linreg_r2_x_to_y", np.eye(5), np.zeros((5, 2)), "7 samples or more"),
        ("cka_linear_biased", np.full((5, 3), 0.1), np.eye(5), "the same for every sample"),
        ("procrustes_normalised", np.eye(5), np.full((5, 30), 0.1), "the same for every sample"),
        ("l2", np.full((5, 3), np.nan), np.zeros((5, 3)), "not finite"),
        ("cka_linear_biased", np.eye(5), np.full((5, 3), np.inf), "not finite"),
    ],
)
def test_what_cannot_be_compared_says_why(name, x, y, told):
    with raises(MeasureError, told):
        compute(name, x, y)


def test_a_wide_matrix_may_be_explained_but_explains_nothing():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 3)), random.normal(size=(20, 50))
    assert 0 < compute("linreg_r2_x_to_y", x, y) < 0.5
    with raises(MeasureError, "50 features"):
        compute("linreg_r2_x_to_y", y, x)
