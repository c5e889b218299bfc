"""Data that come without some split are divided; folds; names."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from raising import raises
from small import write_npz
from suture.data.dataset import Split
from suture.data.images import ArrayImages
from suture.data.load import load_data
from suture.data.splits import folds
from suture.errors import DataError
from suture.spec.recipe import Splits


def blank(n: int) -> ArrayImages:
    return ArrayImages(torch.zeros(n, 3, 1, 1, dtype=torch.uint8))


@pytest.fixture
def pets(tmp_path):
    """Ten cats, ten dogs and one cow, in class folders alone."""
    for name, count in (("cat", 10), ("dog", 10), ("cow", 1)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    return f"folder:{tmp_path / 'pets'}"


def test_a_test_share_is_held_out_by_class_and_images_keep_their_names(pets):
    data = load_data(pets, size=8, splits=Splits(test=0.2, val=0.25), seed=1)
    assert data.classes == ("cat", "cow", "dog")
    assert data.train.labels.bincount().tolist() == [8, 1, 8]
    assert data.test.labels.bincount().tolist() == [2, 0, 2]
    cut = data.with_validation(1)
    assert cut.train.labels.bincount().tolist() == [6, 1, 6]
    assert cut.val.labels.bincount().tolist() == [2, 0, 2]
    names = [split.name(index) for split in (cut.train, cut.val, cut.test) for index in range(len(split))]
    assert len(set(names)) == 21
    for split in (cut.train, cut.val, cut.test):
        for index, label in enumerate(split.labels):
            assert split.name(index).startswith(f"{data.classes[label]}/")
            assert split.images.paths[index].as_posix().endswith(split.name(index))


def test_the_seed_draws_the_test_images_and_a_seed_of_the_splits_goes_before(pets):
    def drawn(seed: int, own: int | None = None) -> tuple[str, ...]:
        return load_data(pets, size=8, splits=Splits(test=0.3, seed=own), seed=seed).test.names

    assert drawn(1) == drawn(1) == drawn(2, own=1)
    assert drawn(1) != drawn(2)


def test_nothing_is_divided_that_nobody_asked_for(pets):
    data = load_data(pets, size=8)
    assert data.test is None
    assert data.val_share is None
    assert data.duplicates is None
    assert load_data("sample").digest() == load_data("sample", splits=Splits(), seed=5).digest()


def test_the_digest_tells_which_images_are_the_test(pets):
    digests = {load_data(pets, size=8, splits=Splits(test=0.3), seed=seed).digest() for seed in (1, 1, 2)}
    assert len(digests) == 2
    data = load_data(pets, size=8, splits=Splits(test=0.3, val=0.3))
    assert data.with_validation().digest() == data.digest()


def test_splits_that_came_with_the_data_stay_and_it_is_said(tmp_path):
    heard = []
    path = write_npz(tmp_path / "a.npz", train=40, test=10)
    data = load_data(f"npz:{path}", splits=Splits(test=0.5, val=0.2), tell=heard.append)
    assert (len(data.train), len(data.test)) == (40, 10)
    assert "npz:a.npz comes with a test split; no other is held out" in heard
    assert len(data.with_validation().val) > 4
    assert data.train.name(7) == "train/7"
    assert data.test.select([3, 1]).name(0) == "test/3"


def test_a_share_that_holds_out_nothing(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((3, 8, 8, 3), np.uint8), y_train=np.arange(3))
    with raises(DataError, "a test share of 0.5 of npz:a.npz holds out none of 3 images", "--test-share"):
        load_data(f"npz:{tmp_path / 'a.npz'}", splits=Splits(test=0.5))


def test_images_without_names_are_called_by_number():
    split = Split(blank(4), torch.zeros(4).long())
    assert split.name(2) == "2"
    assert split.select([2]).names is None


LABELS = st.lists(st.integers(0, 3), min_size=8, max_size=60).map(torch.tensor)


@settings(deadline=None)
@given(LABELS, st.integers(2, 5), st.integers(0, 3), st.booleans())
def test_every_image_is_held_out_once(labels, k, seed, several):
    labels = torch.stack([labels > 1, labels > 2], 1).float() if several else labels
    if not several and labels.bincount().max() < k:
        return
    split = Split(blank(len(labels)), labels)
    found = folds(split, k, seed)
    assert sorted(i for _, held in found for i in held) == list(range(len(labels)))
    assert len(found) == k
    for kept, held in found:
        assert held
        assert sorted([*kept, *held]) == list(range(len(labels)))
        if not several:
            for label in labels.unique():
                whole = int((labels == label).sum())
                assert abs(int((labels[held] == label).sum()) - whole / k) < 1 + 1e-6
    assert json.dumps(found) == json.dumps(folds(split, k, seed))


@pytest.mark.parametrize("several", [False, True])
def test_a_group_is_held_out_whole(several):
    labels, groups = torch.arange(60) % 3, torch.arange(60) // 4
    labels = torch.stack([labels > 0, labels > 1], 1).float() if several else labels
    found = folds(Split(blank(60), labels, groups=groups), 5, 0)
    assert sorted(i for _, held in found for i in held) == list(range(60))
    for kept, held in found:
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())
    assert found != folds(Split(blank(60), labels, groups=groups), 5, 1)


def test_a_class_of_one_image_is_held_out_once_without_a_warning(recwarn):
    found = folds(Split(blank(21), torch.tensor([0] * 10 + [1] * 10 + [2])), 5, 0)
    assert sum(20 in held for _, held in found) == 1
    assert not list(recwarn)


@pytest.mark.parametrize(
    ("labels", "groups", "k", "words"),
    [
        ([0, 0, 1], None, 4, ["4 folds of 3 images, 3 images", "--folds 2"]),
        ([0, 0, 1, 1], None, 3, ["3 folds of 4 images, 2 images at most of a class", "--folds 2"]),
        ([0, 1, 2], None, 2, ["1 images at most of a class", "more images"]),
        ([0, 0, 0, 0], None, 1, ["1 folds of 4 images", "--folds 4"]),
        ([0] * 6, [0, 0, 0, 1, 1, 1], 3, ["3 folds of 6 images, 2 groups", "--folds 2"]),
        (
            [0] * 10 + [1] * 11 + [2] + [0] * 10 + [1] * 11,
            [0] * 10 + [1] * 11 + [2] + [3] * 10 + [4] * 11,
            5,
            ["5 folds of 5 groups leave one with nothing", "--folds 4"],
        ),
    ],
)
def test_too_few_for_folds(labels, groups, k, words):
    split = Split(blank(len(labels)), torch.tensor(labels), groups=None if groups is None else torch.tensor(groups))
    with raises(DataError, *words):
        folds(split, k, 0)
