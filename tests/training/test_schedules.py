"""Learning rates over a training."""

from itertools import pairwise

import pytest
import torch

from suture.spec.names import SCHEDULES
from suture.training.schedules import SCHEDULES as CURVES


@pytest.mark.parametrize("name", SCHEDULES)
def test_they_stay_between_nothing_and_the_peak(name):
    rates = [CURVES[name](step / 100) for step in range(101)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) == pytest.approx(1)
    peak = rates.index(max(rates))
    assert all(later <= earlier for earlier, later in pairwise(rates[peak:]))


@pytest.mark.parametrize(("name", "last"), [("constant", 1), ("step", 0.01), ("cosine", 0), ("one-cycle", 0)])
def test_they_end_where_they_should(name, last):
    assert CURVES[name](1.0) == pytest.approx(last, abs=1e-9)


@pytest.mark.parametrize("steps", [3, 7, 30, 100, 10_000])
def test_steps_come_after_each_third_as_those_of_torch(steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    thirds = [-(-steps // 3), -(-2 * steps // 3)]
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, thirds, gamma=0.1)
    for step in range(steps):
        assert CURVES["step"](step / steps) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_a_cosine_is_that_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    for step in range(20):
        assert CURVES["cosine"](step / 20) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
