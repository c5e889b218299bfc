"""Curves: what they begin and end with, and that few points tell what all do."""

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from suture.evaluation.curves import MOST, ranked, thinned


def drawn(n: int, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, k, n)
    shares = np.exp(random.normal(size=(n, k)) + np.eye(k)[labels])
    return shares / shares.sum(1, keepdims=True), labels


@pytest.mark.parametrize("n", [30, 5000])
def test_areas_are_exact_and_few_points_keep_them(n):
    shares, labels = drawn(n)
    found = ranked(shares, labels)
    for c in range(3):
        assert found.aucs[c] == pytest.approx(roc_auc_score(labels == c, shares[:, c]))
        assert found.average_precisions[c] == pytest.approx(average_precision_score(labels == c, shares[:, c]))
        curve = found.roc.classes[c]
        assert curve is not None
        assert auc(curve.x, curve.y) == pytest.approx(found.aucs[c], abs=0.005)
    for curve in (found.roc.micro, found.roc.macro, *found.roc.classes):
        assert curve is not None
        assert len(curve.x) == len(curve.y) <= MOST
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert list(curve.x) == sorted(curve.x)
        assert list(curve.y) == sorted(curve.y)
    for curve in (found.precision_recall.micro, *found.precision_recall.classes):
        assert curve is not None
        assert len(curve.x) <= MOST
        assert (curve.x[0], curve.y[0], curve.x[-1]) == (0, 1, 1)
        assert list(curve.x) == sorted(curve.x)
    assert found.precision_recall.macro is None


def test_the_mean_curve_lies_between_those_of_the_classes():
    shares, labels = drawn(400)
    found = ranked(shares, labels)
    assert found.roc.macro is not None
    assert auc(found.roc.macro.x, found.roc.macro.y) == pytest.approx(np.mean(found.aucs), abs=0.01)


def test_thinning_keeps_short_curves_and_the_ends_of_long_ones():
    x = np.linspace(0, 1, 1000) ** 2
    assert thinned(x[:200], x[:200]).x == tuple(np.round(x[:200], 6))
    curve = thinned(x, x[::-1])
    assert len(curve.x) <= MOST
    assert (curve.x[0], curve.x[-1], curve.y[0], curve.y[-1]) == (0, 1, 1, 0)
    assert max(np.diff(curve.x)) < 0.02
