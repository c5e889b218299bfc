"""Representational similarity analysis, against scipy's distances and correlations."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import pearsonr, spearmanr

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute
from suture.measures.functional.kernels import squared_distances

NAMES = [f"rsa_{distance}_{kind}" for distance in ("correlation", "euclidean") for kind in ("spearman", "pearson")]


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + np.linspace(0, 3, d)


def expected(name: str, x: np.ndarray, y: np.ndarray) -> float:
    _, distance, kind = name.split("_")
    return {"spearman": spearmanr, "pearson": pearsonr}[kind](pdist(x, distance), pdist(y, distance)).statistic


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "p", "q"), [(3, 4, 5), (20, 4, 9), (15, 40, 6), (12, 5000, 9000)])
def test_scipy_finds_the_same(name, n, p, q):
    x, y = draw(n, p, 0), draw(n, q, 1)
    y[:, :4] += x[:, :4]
    assert compute(name, x, y) == pytest.approx(expected(name, x, y), abs=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_distances_that_are_equal_share_a_rank(name):
    x, y = np.round(draw(25, 3, 0)), np.round(draw(25, 4, 1))
    x[3] = x[4] = x[5]
    x[np.ptp(x, axis=1) == 0, 0] += 1
    y[np.ptp(y, axis=1) == 0, 0] += 1
    distances = [np.round(pdist(z, name.split("_")[1]), 12) for z in (x, y)]
    assert min(len(np.unique(d)) for d in distances) < 60
    kind = spearmanr if name.endswith("spearman") else pearsonr
    assert compute(name, x, y) == pytest.approx(kind(*distances).statistic, abs=1e-9)


def test_two_features_correlate_fully_or_not_at_all_whatever_the_rounding():
    x, y = ((z - z.mean(0)) * np.pi for z in (draw(30, 2, 0), draw(30, 2, 1)))
    signs = [pdist((z[:, :1] < z[:, 1:]).astype(float)) for z in (x, y)]
    assert compute("rsa_correlation_spearman", x, y) == pytest.approx(spearmanr(*signs).statistic, abs=1e-12)


@pytest.mark.parametrize("d", [3, 700, 6000])
def test_rows_that_are_the_same_are_at_no_distance_at_all(d):
    rows = torch.as_tensor(draw(40, d, 0)) / 3 + 100
    rows[7:30] = rows[7]
    found = squared_distances(rows)
    same = torch.zeros(40, 40, dtype=torch.bool)
    same[7:30, 7:30] = True
    same.fill_diagonal_(True)
    assert torch.equal(found == 0, same)


def test_a_sample_of_one_number_throughout_is_refused_and_named():
    x, y = draw(20, 6, 0), draw(20, 6, 1)
    y[4] = 0.1
    y[7] = 0
    with raises(MeasureError, "Y of rsa_correlation_spearman", "sample 4 (counted from 0; 2 in all)", "rsa_euclidean"):
        compute("rsa", x, y)
    assert -1 <= compute("rsa_euclidean_spearman", x, y) <= 1
    with raises(MeasureError, "the same number throughout"):
        compute("rsa_correlation_pearson", x[:, :1], y)


@pytest.mark.parametrize("name", NAMES)
def test_samples_that_are_all_equally_far_apart_are_refused(name):
    with raises(MeasureError, f"X of {name}", "equally far apart"):
        compute(name, np.eye(8), draw(8, 3, 0))
