"""Intervals: against resampling the images one by one, and how often they hold the truth."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score

from suture.evaluation.bootstrap import Interval, intervals


def drawn(n: int, k: int, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, k, n)
    logits = random.normal(size=(n, k)) + 1.2 * np.eye(k)[labels]
    logits = logits.round() if ties else logits
    shares = np.exp(logits)
    return shares / shares.sum(1, keepdims=True), labels


def found(shares: np.ndarray, labels: np.ndarray, seed: int = 0):
    counts = confusion_matrix(labels, shares.argmax(1), labels=range(shares.shape[1]))
    return intervals(shares, labels, counts, seed)


@pytest.mark.parametrize("ties", [False, True])
def test_they_are_those_of_resampled_images(ties):
    shares, labels = drawn(120, 3, ties=ties)
    told, random, slow = found(shares, labels), np.random.default_rng(5), []
    for _ in range(250):
        which = random.integers(120, size=120)
        truth, part = labels[which], shares[which]
        answers = part.argmax(1)
        aucs = [roc_auc_score(truth == c, part[:, c]) for c in range(3)]
        slow.append([(answers == truth).mean(), f1_score(truth, answers, average="macro"), np.mean(aucs)])
    low, high = np.percentile(slow, (2.5, 97.5), axis=0)
    for number, interval in enumerate((told.accuracy, told.macro_f1, told.macro_auc)):
        assert interval is not None
        assert interval.resamples == 1000
        width = high[number] - low[number]
        assert interval.low == pytest.approx(low[number], abs=0.2 * width)
        assert interval.high == pytest.approx(high[number], abs=0.2 * width)


def test_they_hold_the_truth_about_as_often_as_they_say():
    random, inside = np.random.default_rng(0), 0
    for trial in range(200):
        right = random.binomial(400, 0.8)
        counts = np.array([[right, 400 - right], [0, 0]])
        shares = np.full((4, 2), 0.5)
        interval = intervals(shares, np.zeros(4, dtype=int), counts, seed=trial).accuracy
        inside += interval.low <= 0.8 <= interval.high
    assert 0.88 <= inside / 200 <= 0.99


def test_the_same_seed_gives_the_same_and_more_images_narrower_ones():
    few, many = drawn(100, 4), drawn(6400, 4)
    assert found(*few) == found(*few)
    assert found(*few) != found(*few, seed=1)
    for name in ("accuracy", "macro_f1", "macro_auc"):
        wide, narrow = getattr(found(*few), name), getattr(found(*many), name)
        assert (narrow.high - narrow.low) < 0.2 * (wide.high - wide.low)


def test_where_all_is_right_nothing_varies():
    told = found(np.eye(3)[[0, 1, 2, 0, 1, 2]], np.array([0, 1, 2, 0, 1, 2]))
    assert told.accuracy == told.macro_f1 == Interval(1.0, 1.0, 1000)
    assert told.macro_auc is not None
    assert (told.macro_auc.low, told.macro_auc.high) == (1, 1)


def test_many_images_and_classes_have_fewer_resamples_of_the_auc_and_then_none():
    shares, labels = drawn(2000, 200)
    told = found(shares, labels)
    assert told.macro_auc is not None
    assert told.macro_auc.resamples == 250
    assert told.accuracy.resamples == 1000
    shares, labels = drawn(1001, 1000)
    assert found(shares, labels).macro_auc is None
