"""Procrustes distances: against scipy, as metrics, and at their ends."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from suture.measures import compute

METRICS = ("procrustes_normalised", "procrustes_size_shape", "angular_shape")


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * (1 + seed % 3) + seed


@pytest.mark.parametrize(("n", "d"), [(40, 6), (12, 30)])
def test_scipy_finds_the_same_distances(n, d):
    x, y = draw(n, d, 0), draw(n, d, 1)
    _, _, left = procrustes(x, y)  # 1 − ‖XᵀY‖∗², of matrices centred and of norm 1
    alike = np.sqrt(1 - left)
    assert compute("procrustes_normalised", x, y) == pytest.approx(np.sqrt(2 - 2 * alike), abs=1e-9)
    assert compute("angular_shape", x, y) == pytest.approx(np.arccos(alike), abs=1e-9)
    x, y = x - x.mean(0), y - y.mean(0)
    turn, _ = orthogonal_procrustes(y, x)
    assert compute("procrustes_size_shape", x, y) == pytest.approx(np.linalg.norm(x - y @ turn), abs=1e-9)


def test_a_narrower_matrix_is_padded_with_zero_columns():
    x, y = draw(30, 4, 0), draw(30, 7, 1)
    padded = np.concatenate([x, np.zeros((30, 3))], 1)
    for name in METRICS:
        assert compute(name, x, y) == pytest.approx(compute(name, padded, y), abs=1e-10)


@settings(max_examples=40)
@given(seed=st.integers(0, 60), sizes=st.tuples(*[st.integers(1, 12)] * 3))
def test_they_are_metrics(seed, sizes):
    x, y, z = (draw(10, d, seed + k) for k, d in enumerate(sizes))
    for name in METRICS:
        assert compute(name, x, z) <= compute(name, x, y) + compute(name, y, z) + 1e-7
        assert compute(name, x, y) >= 0


def test_sizes_keep_their_units_from_the_smallest_to_the_largest():
    x, y = draw(30, 4, 0), draw(30, 7, 1)
    usual = compute("procrustes_size_shape", x, y)
    for scale in (1e-160, 1e-12, 1e12, 1e160):
        assert compute("procrustes_size_shape", x * scale, y * scale) == pytest.approx(usual * scale, rel=1e-9)
    norm = np.linalg.norm(x - x.mean(0))
    assert compute("procrustes_size_shape", x, 3 * x) == pytest.approx(2 * norm, rel=1e-9)
    assert compute("procrustes_size_shape", x, x[:, ::-1] + 5) == pytest.approx(0, abs=1e-6 * norm)


def test_matrices_that_share_no_direction_are_as_far_apart_as_can_be():
    turned = torch.linalg.qr(torch.cat([torch.ones(8, 1), torch.randn(8, 7)], 1).double()).Q[:, 1:]
    x, y = turned[:, :3], turned[:, 3:6]
    assert compute("procrustes_normalised", x, y) == pytest.approx(np.sqrt(2))
    assert compute("angular_shape", x, y) == pytest.approx(np.pi / 2)
    assert compute("procrustes_size_shape", x, y) == pytest.approx(np.sqrt(6))
