"""Calibration by its definition, and the temperature that repairs it."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import brier_score_loss, log_loss

from suture.evaluation import fit_temperature
from suture.evaluation.calibration import BINS, calibration


def honest(n: int = 4000, k: int = 4, heat: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels drawn with the probabilities that the logits say; the logits come back times ``heat``."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, k, generator=generator)
    return heat * logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


def test_it_is_that_of_the_paper_written_out():
    logits, labels = honest(500, heat=3)
    shares = logits.double().softmax(1)
    sure, answers = shares.max(1)
    wanted, worst = 0.0, 0.0
    for m in range(1, BINS + 1):
        inside = [i for i in range(500) if (m - 1) / BINS < sure[i] <= m / BINS]
        if inside:
            right = np.mean([float(answers[i] == labels[i]) for i in inside])
            gap = abs(right - np.mean([float(sure[i]) for i in inside]))
            wanted, worst = wanted + len(inside) / 500 * gap, max(worst, gap)
    found = calibration(logits, labels)
    assert found.ece == pytest.approx(wanted)
    assert found.mce == pytest.approx(worst)
    assert found.nll == pytest.approx(log_loss(labels, shares))
    assert found.brier == pytest.approx(brier_score_loss(labels, shares, scale_by_half=False))
    assert sum(one.count for one in found.bins) == 500


def test_the_brier_score_of_two_classes_is_twice_that_of_the_second():
    logits, labels = honest(300, k=2)
    assert calibration(logits, labels).brier == pytest.approx(
        2 * brier_score_loss(labels, logits.double().softmax(1)[:, 1])
    )


def test_who_is_always_sure_and_right_is_calibrated_and_who_is_wrong_is_not():
    labels = torch.arange(3)
    right = calibration(1000 * torch.eye(3), labels)
    assert (right.ece, right.mce, right.brier, right.nll) == (0, 0, 0, 0)
    wrong = calibration(-1000 * torch.eye(3)[:, :3] + torch.tensor([1.0, 0.5, 0.0]), labels)
    assert wrong.ece > 0.5
    assert wrong.nll > 900
    assert [one.count for one in right.bins] == [0] * 14 + [3]
    assert right.bins[0].confidence is None


@pytest.mark.parametrize("heat", [0.3, 1.0, 2.5])
def test_the_temperature_is_what_the_logits_were_multiplied_by(heat):
    logits, labels = honest(heat=heat)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(heat, rel=0.08)
    told = minimize(lambda t: log_loss(labels, (logits.double() / t[0]).softmax(1)), [1.0], bounds=[(0.05, 20)])
    assert found == pytest.approx(told.x[0], rel=1e-3)
    after, before = calibration(logits / found, labels), calibration(logits, labels)
    assert after.nll <= before.nll + 1e-9
    assert after.ece < 0.03
    assert torch.equal((logits / found).argmax(1), logits.argmax(1))


def test_it_stays_between_bounds_where_everything_or_nothing_is_right():
    labels = torch.arange(4)
    assert 0.05 <= fit_temperature(torch.eye(4), labels) < 0.06
    assert 19 < fit_temperature(-torch.eye(4), labels) <= 20
    assert 0.05 <= fit_temperature(torch.zeros(4, 4), labels) <= 20
