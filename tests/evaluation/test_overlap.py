"""Counts of who is right where, against confusion of the two by hand."""

from dataclasses import astuple

import pytest
import torch

from raising import raises
from suture.errors import DataError
from suture.evaluation import mcnemar, overlap, score


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("several", [False, True])
def test_counts_are_those_of_each_answer(generator, several):
    labels = torch.randint(0, 2, (30, 3) if several else (30,), generator=generator)
    labels = labels.float() if several else labels
    first, second = (score(torch.randn(30, 3, generator=generator), labels) for _ in range(2))
    pairs = list(zip(first.correct(labels).flatten().tolist(), second.correct(labels).flatten().tolist(), strict=True))
    wanted = tuple(pairs.count(kind) for kind in [(True, True), (True, False), (False, True), (False, False)])
    found = overlap(first, second, labels)
    assert astuple(found) == wanted
    assert sum(astuple(found)) == labels.numel()
    assert found.shares["both"] + found.shares["only_first"] == pytest.approx(first.accuracy)
    assert found.shares["both"] + found.shares["only_second"] == pytest.approx(second.accuracy)
    assert sum(found.shares.values()) == pytest.approx(1)


def test_the_other_way_round_it_is_the_other_way_round(generator):
    labels = torch.randint(0, 5, (40,), generator=generator)
    first, second = (score(torch.randn(40, 5, generator=generator), labels) for _ in range(2))
    found, turned = overlap(first, second, labels), overlap(second, first, labels)
    assert (found.both, found.only_first, found.neither) == (turned.both, turned.only_second, turned.neither)
    same = overlap(first, first, labels)
    assert (same.only_first, same.only_second) == (0, 0)
    paired = mcnemar(first, second, labels)
    assert (paired.only_first, paired.only_second) == (found.only_first, found.only_second)


def test_other_labels_are_refused(generator):
    found = score(torch.randn(8, 3, generator=generator), torch.zeros(8, dtype=torch.long))
    with raises(DataError, "predictions of shape (8,) beside (9,)"):
        overlap(found, found, torch.zeros(9, dtype=torch.long))
