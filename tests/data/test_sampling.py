"""Which images an epoch shows: laws of every sampling."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raising import raises
from suture.data.sampling import check_sampling, class_counts, order
from suture.errors import DataError
from suture.spec.names import SAMPLINGS

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(torch.tensor)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@given(LABELS, st.integers(0, 5))
def test_as_many_indices_as_images_the_same_for_the_same_seed(sampling, labels, seed):
    drawn = order(labels, sampling, seeded(seed))
    assert drawn.dtype == torch.int64
    assert drawn.shape == labels.shape
    assert 0 <= drawn.min() <= drawn.max() < len(labels)
    assert torch.equal(drawn, order(labels, sampling, seeded(seed)))


@given(LABELS, st.integers(0, 5))
def test_shuffled_is_torchs_permutation(labels, seed):
    assert torch.equal(order(labels, "shuffled", seeded(seed)), torch.randperm(len(labels), generator=seeded(seed)))


def test_weighted_classes_are_equally_likely_and_so_are_the_images_of_one():
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    drawn = torch.cat([order(labels, "weighted", seeded(seed)) for seed in range(30)])
    shares = labels[drawn].bincount() / len(drawn)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), rtol=0, atol=0.02)
    rare = drawn.bincount(minlength=1000)[990:] / len(drawn)
    torch.testing.assert_close(rare, torch.full((10,), 1 / 30), rtol=0, atol=0.006)


@given(LABELS, st.integers(0, 5))
def test_balanced_rounds_hold_every_class_once(labels, seed):
    drawn, present = order(labels, "class-balanced", seeded(seed)), labels.unique()
    for part in labels[drawn].split(len(present)):
        assert len(part.unique()) == len(part)
    for size in (2, 5, 7):
        for part in labels[drawn].split(size):
            counts = [int((part == label).sum()) for label in present]
            assert max(counts) - min(counts) <= 2


@given(LABELS, st.integers(0, 5))
def test_no_image_comes_again_before_all_of_its_class(labels, seed):
    drawn = order(labels, "class-balanced", seeded(seed)).tolist()
    for label in labels.unique():
        own = [index for index in drawn if labels[index] == label]
        size = int((labels == label).sum())
        for start in range(0, len(own), size):
            assert max(Counter(own[start : start + size]).values()) == 1


def test_classes_come_in_another_order_each_round_and_epochs_differ():
    labels = torch.arange(4).repeat(50)
    drawn = order(labels, "class-balanced", seeded(0))
    assert len({tuple(part.tolist()) for part in labels[drawn].split(4)}) > 10
    assert not torch.equal(drawn, order(labels, "class-balanced", seeded(1)))


@pytest.mark.parametrize("sampling", ["weighted", "class-balanced"])
def test_attributes_are_only_shuffled(sampling):
    labels = torch.zeros(4, 3)
    with raises(DataError, f"{sampling} sampling draws by class", "3 attributes", "--sampling shuffled"):
        order(labels, sampling, seeded())
    check_sampling(labels, "shuffled")
    assert sorted(order(labels, "shuffled", seeded()).tolist()) == [0, 1, 2, 3]


def test_an_unknown_sampling():
    with raises(DataError, "no sampling 'weigted'", "--sampling weighted"):
        check_sampling(torch.zeros(2).long(), "weigted")


def test_counts_are_of_classes_or_attributes():
    assert class_counts(torch.tensor([2, 0, 2]), 4).tolist() == [1, 0, 2, 0]
    found = class_counts(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), 2)
    assert found.tolist() == [2, 1]
    assert found.dtype == torch.int64
