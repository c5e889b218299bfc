"""``compute``: what it takes, and what it says of what it does not."""

import numpy as np
import pytest
import torch

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 6)) + 3
    return x, x @ random.normal(size=(6, 6)) + random.normal(size=(40, 6))


def test_l2_is_the_mean_of_squares(pair):
    x, y = pair
    assert compute("l2", x, y) == pytest.approx(((x - y) ** 2).mean(), abs=1e-12)


def test_arrays_tensors_lists_and_whole_numbers_are_matrices(pair):
    whole = np.round(pair[0] * 10).astype(int)
    expected = compute("cka_linear_biased", whole.astype(float), pair[1])
    assert compute("cka_linear_biased", whole, torch.as_tensor(pair[1])) == expected
    assert compute("cka_linear_biased", whole.tolist(), pair[1]) == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("other", [lambda x: x[::-1][::-1, ::-1], lambda x: x.astype(">f8"), lambda x: x.T.copy().T])
def test_arrays_of_any_order_are_read_and_not_written_to(pair, other):
    x, y = other(pair[0]), pair[1]
    x.setflags(write=False)
    assert compute("procrustes_normalised", x, y) == pytest.approx(compute("procrustes_normalised", *pair), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "x", "y", "told"),
    [
        ("ckka", np.eye(5), np.eye(5), "cka"),
        ("svcca_2", np.eye(5), np.eye(5), "'svcca_2': 2 is not a number above 0 to 1"),
        (None, np.eye(5), np.eye(5), "no measure None"),
        ("prokrustes", np.eye(5), np.eye(5), "procrustes_normalised"),
        ("cka_linear_biased", np.eye(5), np.eye(4), "compute('cka_linear_biased', X[:4], Y[:4])"),
        ("cka_linear_biased", np.zeros((5, 2, 2)), np.eye(5), "X.reshape(len(X), -1)"),
        ("cka_linear_biased", np.eye(5), np.zeros((5, 0)), "Y of cka_linear_biased is of shape (5, 0)"),
        ("cka_linear_biased", np.eye(5), np.eye(5) * 1j, "complex128"),
        ("cka_linear_biased", np.eye(5), [["a"] * 3] * 5, "Y of cka_linear_biased is no matrix of numbers"),
        ("cka_linear_biased", np.eye(2), np.eye(2), "2 samples are too few"),
        ("cka_linear_biased", np.eye(1), np.eye(1), "1 sample is too few"),
        ("cka_linear_debiased", np.eye(3), np.eye(3), "4 or more"),
        ("l2", np.eye(5), np.zeros((5, 4)), "the shapes are 5 and 4"),
        ("cca_mean", np.eye(5), np.zeros((5, 2)), "7 samples or more"),
        ("linreg_r2_x_to_y", np.eye(5), np.zeros((5, 2)), "7 samples or more"),
        ("cka_linear_biased", np.full((5, 3), 0.1), np.eye(5), "X of cka_linear_biased: the activations are the same"),
        ("procrustes", np.eye(5), np.full((5, 30), 0.1), "Y of procrustes_normalised: the activations are the same"),
        ("l2", np.full((5, 3), np.nan), np.zeros((5, 3)), "X of l2: some of the activations are not finite"),
        (
            "cca_mean",
            np.eye(9)[:, :2],
            np.full((9, 3), np.inf),
            "Y of cca_mean: some of the activations are not finite",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(name, x, y, told):
    with raises(MeasureError, told):
        compute(name, x, y)
