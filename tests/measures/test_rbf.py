"""CKA with a Gaussian kernel, against its definition with the kernel of scikit-learn."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import KernelCenterer

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + 2


def related(n: int, p: int, q: int) -> tuple[np.ndarray, np.ndarray]:
    x = draw(n, p, 0)
    return x, x @ draw(p, q, 1) / p + draw(n, q, 2)


def kernel(x: np.ndarray, t: float) -> np.ndarray:
    median = np.median(squareform(pdist(x, "sqeuclidean")))  # zeros of the diagonal among them
    return rbf_kernel(x, gamma=1 / (2 * t**2 * median))


def song(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5."""
    n, one = len(k), np.ones(len(k))
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.99, 1, 1.7, 5])
@pytest.mark.parametrize(("n", "p", "q"), [(25, 4, 7), (24, 60, 5)])
def test_both_are_their_definitions(n, p, q, t):
    x, y = related(n, p, q)
    k, m = kernel(x, t), kernel(y, t)
    a, b = (KernelCenterer().fit_transform(each) for each in (k, m))
    biased = (a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b))
    assert compute(f"cka_rbf_t{t}_biased", x, y) == pytest.approx(biased, abs=1e-10)
    debiased = song(k, m) / math.sqrt(song(k, k) * song(m, m))
    assert compute(f"cka_rbf_t{t}_debiased", x, y) == pytest.approx(debiased, abs=1e-8)


def test_a_wide_kernel_tends_to_the_linear_one_and_a_narrow_one_to_1():
    x, y = related(30, 5, 40)
    for kind in ("biased", "debiased"):
        linear = compute(f"cka_linear_{kind}", x, y)
        assert compute(f"cka_rbf_t1e9_{kind}", x, y) == pytest.approx(linear, abs=1e-9)
    assert compute("cka_rbf_t0.01_biased", x, y) == pytest.approx(1, abs=1e-9)


def test_unrelated_matrices_have_a_debiased_value_on_both_sides_of_zero():
    values = [compute("cka_rbf", draw(30, 50, 2 * seed), draw(30, 50, 2 * seed + 1)) for seed in range(20)]
    assert min(values) < 0 < max(values)
    assert abs(float(np.mean(values))) < 0.1


def test_the_width_needs_most_samples_to_differ():
    x, y = draw(10, 3, 0), draw(10, 3, 1)
    x[2:] = x[2]
    for kind in ("biased", "debiased"):
        with raises(MeasureError, f"X of cka_rbf_t1_{kind}", "half of the pairs of samples or more are the same"):
            compute(f"cka_rbf_t1_{kind}", x, y)


def test_a_kernel_that_tells_no_two_samples_apart_is_refused():
    x, y = draw(10, 3, 0), draw(10, 3, 1)
    with raises(MeasureError, "at this width of the kernel all samples are alike"):
        compute("cka_rbf_t1e300_biased", x, y)
    for t, data in (("1e300", x), ("0.0001", x), ("1", np.eye(10))):
        with raises(MeasureError, "at this width of the kernel all samples are equally far apart"):
            compute(f"cka_rbf_t{t}_debiased", data, y)
