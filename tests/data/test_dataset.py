from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raising import raises
from suture.data.dataset import DataSet, Split
from suture.data.holdout import order_is_random, validation_indices
from suture.data.images import ArrayImages
from suture.data.load import load_data
from suture.errors import DataError

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=80).map(torch.tensor)


def images(n: int, seed: int = 0) -> ArrayImages:
    generator = torch.Generator().manual_seed(seed)
    return ArrayImages(torch.randint(0, 256, (n, 3, 4, 4), generator=generator, dtype=torch.uint8))


def data_of(labels: torch.Tensor, test: int = 2) -> DataSet:
    return DataSet(
        "x", tuple("abcde"), Split(images(len(labels)), labels), Split(images(test, 1), torch.zeros(test).long())
    )


@given(LABELS, st.integers(0, 3))
def test_validation_is_disjoint_complete_and_in_file_order(labels, seed):
    kept, held = validation_indices(labels, seed)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert all(a < b for part in (kept, held) for a, b in pairwise(part))


@given(LABELS, st.integers(0, 3))
def test_sorted_classes_are_each_held_out_by_a_tenth(labels, seed):
    labels = labels.sort().values
    kept, held = validation_indices(labels, seed)
    for label in labels.unique():
        whole = int((labels == label).sum())
        out = int((labels[list(held)] == label).sum())
        assert abs(out - whole / 10) <= 1
        assert out < whole
        assert (out >= 1) == (whole >= 2)
    assert validation_indices(labels, seed) == (kept, held)


@given(st.integers(2, 5), st.integers(20, 60), st.integers(0, 5))
def test_shuffled_classes_hold_out_the_last_tenth(classes, each, seed):
    labels = torch.arange(classes).repeat(each)
    if seed:
        labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    if order_is_random(labels):
        kept, held = validation_indices(labels, seed)
        assert list(held) == list(range(len(labels)))[-(len(labels) // 10) :]
        assert validation_indices(labels, seed + 1) == (kept, held)
    assert seed or order_is_random(labels)
    assert not order_is_random(labels.sort().values)


def test_seeds_draw_other_validation_images():
    labels = torch.zeros(100).long()
    assert validation_indices(labels, 0) != validation_indices(labels, 1)


def test_validation_that_came_with_the_data_stays():
    data = replace(data_of(torch.tensor([0, 0, 1, 1])), val=Split(images(1, 2), torch.tensor([1])))
    assert data.with_validation() is data


@given(st.integers(2, 80), st.integers(2, 5), st.integers(0, 3))
def test_of_multilabel_data_a_tenth_is_held_out_whatever_the_order(n, k, seed):
    labels = torch.randint(2, (n, k), generator=torch.Generator().manual_seed(seed)).float()
    data = data_of(labels, test=0)
    cut = data.with_validation(seed)
    assert data.multilabel
    assert cut.multilabel
    assert cut.val.labels.shape == (max(round(n / 10), 1), k)
    assert cut.digest() == data.digest()
    kept, held = validation_indices(labels, seed)
    assert (kept, held) == validation_indices(labels.sort(0).values, seed)
    assert torch.equal(cut.val.labels, labels[held])
    assert torch.equal(cut.train.labels, labels[kept])


def test_multilabel_splits_are_chosen_from_like_others():
    labels = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    split = data_of(labels).train
    assert not order_is_random(labels)
    assert torch.equal(split.select([3, 0]).labels, labels[[3, 0]])
    assert torch.equal(split.first(2).labels, labels[:2])
    assert torch.equal(split.spread(2).labels, labels[[0, 2]])
    assert [tuple(y.shape) for _, y in split.batches(3)] == [(3, 2), (1, 2)]
    ((_, y),) = split.batches(8, [2, 1])
    assert torch.equal(y, labels[[2, 1]])


def test_one_multilabel_image_is_too_few():
    with raises(DataError, "x has 1 training images, no two: too few", "two images or more, to learn from"):
        data_of(torch.zeros(1, 2)).with_validation()


@pytest.mark.parametrize("labels", [[0], [0, 1, 2]])
def test_too_few_images_for_validation(labels):
    with raises(DataError, f"x has {len(labels)} training images, no two of a class", "a val folder or array"):
        data_of(torch.tensor(labels)).with_validation()


@given(LABELS, st.integers(0, 3))
def test_the_digest_does_not_see_that_validation_was_cut_off(labels, seed):
    data = data_of(labels)
    if labels.bincount().max() >= 2:
        cut = data.with_validation(seed)
        assert cut.digest() == data.digest()
        assert cut.with_validation(seed + 1) is cut


def test_the_digest_sees_everything_else():
    data = data_of(torch.tensor([0, 0, 1, 1]))
    array = data.train.images.array
    brighter = array.clone()
    brighter[3, 2, 1, 0] ^= 1
    others = [
        replace(data, classes=tuple("abcdf")),
        replace(data, classes=("ab", "cde")),
        replace(data, train=Split(ArrayImages(brighter), data.train.labels)),
        replace(data, train=Split(ArrayImages(array.flip(0)), data.train.labels)),
        replace(data, train=Split(ArrayImages(array.view(4, 3, 2, 8)), data.train.labels)),
        replace(data, train=Split(data.train.images, torch.tensor([0, 1, 0, 1]))),
        replace(data, train=data.train.first(3)),
        replace(data, test=None),
        replace(data, test=None, val=data.test),
        replace(data, val=data.test),
    ]
    zeros = [torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3)]
    others += [replace(data, train=Split(data.train.images, labels)) for labels in zeros]
    assert len({data.digest(), *(other.digest() for other in others)}) == len(others) + 1
    assert replace(data, name="y").digest() == data.digest()


def test_batches_are_the_images_divided_by_255_in_order():
    split = data_of(torch.arange(5)).train
    whole = split.images.array
    found = list(split.batches(2))
    assert [len(labels) for _, labels in found] == [2, 2, 1]
    assert torch.equal(torch.cat([x for x, _ in found]), whole.float() / 255)
    assert torch.cat([y for _, y in found]).tolist() == [0, 1, 2, 3, 4]
    ((x, y),) = split.batches(8, [4, 0])
    assert torch.equal(x, whole[[4, 0]].float() / 255)
    assert y.tolist() == [4, 0]


@pytest.mark.parametrize(("count", "length"), [(None, 5), (3, 3), (5, 5), (9, 5)])
def test_the_first_images(count, length):
    split = data_of(torch.arange(5)).train
    first = split.first(count)
    assert first.labels.tolist() == list(range(length))
    assert torch.equal(first.images.batch(range(length)), split.images.array[:length])


def test_a_split_that_is_not_there():
    data = data_of(torch.arange(4))
    assert data.split("test") is data.test
    with raises(DataError, "x has no val split", "train, test"):
        data.split("val")


def test_the_sample_is_balanced_and_holds_out_its_last_tenth():
    data = load_data("sample")
    assert data.train.labels.bincount().tolist() == [200] * 10
    assert data.test.labels.bincount().tolist() == [100] * 10
    cut = data.with_validation()
    assert torch.equal(cut.val.labels, data.train.labels[1800:])
    assert torch.equal(cut.train.images.array, data.train.images.array[:1800])
