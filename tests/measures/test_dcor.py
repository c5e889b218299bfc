"""Distance correlation: its definition, and where it is known."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.preprocessing import KernelCenterer

from suture.measures import compute


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize(("n", "p", "q"), [(3, 2, 2), (25, 4, 7), (20, 60, 5), (12, 5000, 3)])
def test_it_is_its_definition(n, p, q):
    x, y = draw(n, p, 0) + 100, draw(n, q, 1)
    y[:, :2] += 0.01 * x[:, :2]
    a, b = (KernelCenterer().fit_transform(squareform(pdist(z))) for z in (x, y))
    expected = (a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())
    assert compute("distance_correlation_sq", x, y) == pytest.approx(expected, abs=1e-9)


def test_of_two_answers_each_it_is_the_square_of_their_correlation():
    x = np.random.default_rng(0).integers(2, size=(200, 1))
    y = np.where(np.random.default_rng(1).random((200, 1)) < 0.3, 1 - x, x)
    expected = np.corrcoef(x.T, y.T)[0, 1] ** 2
    assert compute("dcor", x, 7 - 3 * y) == pytest.approx(expected, abs=1e-12)


def test_it_sees_what_no_line_does():
    x = np.linspace(-1, 1, 101)[:, None]
    assert compute("cka_linear_biased", x, x**2) == pytest.approx(0, abs=1e-20)
    assert compute("distance_correlation_sq", x, x**2) > 0.2
