"""Nearest neighbours by the cosine, against scikit-learn, and of neighbours equally near."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from raising import raises
from suture.errors import MeasureError
from suture.measures import compute, find
from suture.measures.functional.neighbours import nearest


def draw(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) + 1


def neighbours(x: np.ndarray, k: int) -> list[set[int]]:
    """Without a query, scikit-learn leaves each sample itself out."""
    return [
        set(row) for row in NearestNeighbors(n_neighbors=k, metric="cosine").fit(x).kneighbors(return_distance=False)
    ]


@pytest.mark.parametrize("k", [1, 4, 10, 18])
@pytest.mark.parametrize(("n", "p", "q"), [(30, 5, 8), (20, 60, 3), (25, 5000, 9)])
def test_sklearn_finds_the_same_neighbours(n, p, q, k):
    x, y = draw(n, p, 0), draw(n, q, 1)
    y[:, :3] += 2 * x[:, :3]
    a, b = neighbours(x, k), neighbours(y, k)
    shared = [(len(i & j), len(i | j)) for i, j in zip(a, b, strict=True)]
    assert [set(row) for row in nearest(k, torch.as_tensor(x)).tolist()] == a
    assert compute(f"mutual_knn_k{k}_cosine", x, y) == pytest.approx(np.mean([i / k for i, _ in shared]), abs=1e-12)
    assert compute(f"jaccard_knn_k{k}_cosine", x, y) == pytest.approx(np.mean([i / u for i, u in shared]), abs=1e-12)


def test_of_neighbours_equally_near_the_first_are_taken():
    rows = torch.tensor([[1.0, 0], [3, 0], [0, 1], [0.1, 0], [0, 7], [0, 0.3], [1e9, 0]])
    assert nearest(2, rows).tolist() == [[1, 3], [0, 3], [4, 5], [0, 1], [2, 5], [2, 4], [0, 1]]


@pytest.mark.parametrize("d", [2, 900, 5000])
def test_rounding_does_not_part_samples_that_are_the_same(d):
    rows = torch.as_tensor(draw(30, d, 0)) / 3
    rows[5:25] = rows[5] * torch.linspace(0.1, 9, 20)[:, None]
    for i, found in enumerate(nearest(6, rows)[5:25].tolist(), 5):
        assert found == [j for j in range(5, 25) if j != i][:6]


def test_unrelated_matrices_share_as_many_as_chance_has_it():
    found = [compute("mutual_knn_k5_cosine", draw(60, 40, 2 * s), draw(60, 40, 2 * s + 1)) for s in range(10)]
    assert np.mean(found) == pytest.approx(5 / 59, abs=0.02)


def test_of_k_or_k_plus_1_samples_all_are_neighbours_which_says_nothing():
    for n in (10, 11):
        with raises(MeasureError, "too few for mutual_knn_k10_cosine", "12 or more"):
            compute("knn", draw(n, 4, 0), draw(n, 4, 1))
    assert compute("knn", draw(12, 4, 0), draw(12, 4, 1)) < 1
    assert find("jaccard_knn_k3_cosine").least == 5


def test_a_sample_of_zeros_has_no_neighbours():
    x = draw(20, 4, 0)
    x[6] = 0
    with raises(MeasureError, "X of mutual_knn_k10_cosine", "sample 6 (counted from 0; 1 in all)", "is 0 throughout"):
        compute("knn", x, draw(20, 4, 1))
