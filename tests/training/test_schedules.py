"""Learning rates over a training."""

from itertools import pairwise

import pytest
import torch

from suture.spec.names import SCHEDULES
from suture.spec.stage import Stage
from suture.training.schedules import SCHEDULES as CURVES
from suture.training.schedules import factor


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


def rates(epochs: int, steps: int, **fields) -> list[float]:
    plan = Stage(schedule="cosine", epochs=epochs, **fields)
    return [factor(plan, epoch, step, steps) for epoch in range(epochs) for step in range(steps)]


@pytest.mark.parametrize("every", ["epoch", "step"])
def test_past_its_period_a_cosine_rises_again_as_that_of_torch(every):
    epochs, steps, period = 20, 4, 15
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, period * (steps if every == "step" else 1))
    wanted = []
    for _epoch in range(epochs):
        for _step in range(steps):
            wanted.append(theirs.get_last_lr()[0])
            optimizer.step()
            if every == "step":
                theirs.step()
        if every == "epoch":
            theirs.step()
    found = rates(epochs, steps, period=period, schedule_by=every)
    assert found == pytest.approx(wanted, abs=1e-9)
    assert found[-1] > min(found)


def test_without_a_period_it_runs_over_all_epochs():
    assert rates(6, 5) == rates(6, 5, period=6)
    assert rates(6, 5) == pytest.approx([CURVES["cosine"](done / 30) for done in range(30)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_moved_every_epoch_a_rate_is_that_of_the_epochs_start(name):
    by = {every: Stage(schedule=name, epochs=7, schedule_by=every) for every in ("step", "epoch")}
    for epoch in range(7):
        for step in range(3):
            assert factor(by["epoch"], epoch, step, 3) == factor(by["step"], epoch, 0, 3)
