"""Linear CKA: its definition written out, its scale, and its use as a loss."""

import math

import numpy as np
import pytest
import torch

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute
from suture.measures.functional.cka import cka_linear_biased


def draw(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def related(n: int, p: int, q: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = draw(n, p)
    return x, x @ draw(p, q, 1) + 2 * draw(n, q, 2)


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, equation 5, term by term."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


@pytest.mark.parametrize(("p", "q"), [(5, 7), (40, 7), (5, 40), (40, 50)])
def test_both_are_their_definitions_in_every_mix_of_shapes(p, q):
    x, y = related(20, p, q)
    k, m = (x @ x.T).numpy(), (y @ y.T).numpy()
    debiased = hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
    assert compute("cka_linear_debiased", x, y) == pytest.approx(debiased, abs=1e-12)
    a, b = (z.numpy() - z.numpy().mean(0) for z in (x, y))
    biased = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert compute("cka_linear_biased", x, y) == pytest.approx(biased, abs=1e-12)
    assert cka_linear_biased(x, y).item() == pytest.approx(biased, abs=1e-12)


@pytest.mark.parametrize("name", ["cka_linear_biased", "cka_linear_debiased"])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("d", [6, 60])
def test_the_scale_of_activations_does_not_matter(name, scale, d):
    x, y = related(20, d, d)
    x, y = x.float(), y.float()
    assert compute(name, x * scale, y / scale) == pytest.approx(compute(name, x, y), abs=1e-6)


def test_a_large_mean_does_not_drown_the_rest():
    x, y = related(30, 8, 8)
    assert compute("cka_linear_biased", x + 1e6, y) == pytest.approx(compute("cka_linear_biased", x, y), abs=1e-9)


def test_unrelated_matrices_have_a_debiased_value_on_both_sides_of_zero():
    values = [compute("cka_linear_debiased", draw(30, 200, 2 * s), draw(30, 200, 2 * s + 1)) for s in range(20)]
    assert min(values) < 0 < max(values)
    assert abs(float(np.mean(values))) < 0.1 < compute("cka_linear_biased", draw(30, 200), draw(30, 200, 1))


def test_samples_that_are_equally_far_apart_have_no_debiased_value():
    with raises(MeasureError, "cka_linear_debiased of X and Y", "equally far apart", "another layer"):
        compute("cka_linear_debiased", torch.eye(8), draw(8, 3))


def test_minibatches_are_ratios_of_sums_over_consecutive_rows():
    x, y = related(24, 5, 40)
    batches = [((a @ a.T).numpy(), (b @ b.T).numpy()) for a, b in zip(x.split(8), y.split(8), strict=True)]
    xy, xx, yy = (sum(hsic(pair[i], pair[j]) for pair in batches) for i, j in ((0, 1), (0, 0), (1, 1)))
    assert compute("cka_linear_minibatch_bs8", x, y) == pytest.approx(xy / math.sqrt(xx * yy), abs=1e-12)
    whole = compute("cka_linear_debiased", x, y)
    assert compute("cka_linear_minibatch_bs24", x, y) == pytest.approx(whole, abs=1e-12)
    assert compute("cka", x, y) == pytest.approx(whole, abs=1e-12)
    with raises(MeasureError, "no whole batches of 10", "--samples 20"):
        compute("cka_linear_minibatch_bs10", x, y)


@pytest.mark.parametrize(("p", "q"), [(4, 3), (4, 30), (30, 40)])
def test_the_gradient_is_right_and_shapes_are_flattened(p, q):
    x, y = related(10, p, q)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: cka_linear_biased(z, y), x)
    assert torch.equal(cka_linear_biased(x.reshape(10, 1, p), y), cka_linear_biased(x, y))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_it_takes_any_precision_also_under_autocast(dtype):
    x, y = (z.to(dtype) for z in related(16, 12, 40))
    exact = compute("cka_linear_biased", x, y)
    assert cka_linear_biased(x, y).item() == pytest.approx(exact, abs=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert cka_linear_biased(x, y).item() == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 5), (6, 5), (6, 50), (6, 2, 3, 3)])
def test_of_one_sample_or_constant_activations_it_is_0_and_so_is_every_gradient(shape):
    x = torch.full(shape, 0.1, requires_grad=True)
    y = draw(shape[0], 9, dtype=torch.float32).requires_grad_()
    value = cka_linear_biased(x, y)
    value.backward()
    assert value.item() == 0
    assert not x.grad.any()
    assert not y.grad.any()


def test_unequal_batches_are_refused():
    with raises(MeasureError, "4 samples of one and 5"):
        cka_linear_biased(draw(4, 3), draw(5, 3))
