"""What every kind of data set keeps to."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data.files import write_celeba, write_mnist
from suture.data.dataset import DataSet
from suture.data.examples import ImageExamples
from suture.data.load import load_data
from suture.spec.names import DATA

SIDE = 8


def arrays(seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.sort(np.arange(60) % 3)
    return {
        "x_train": draw.integers(0, 256, (60, SIDE, SIDE, 3), dtype=np.uint8),
        "y_train": labels,
        "x_test": draw.integers(0, 256, (9, SIDE, SIDE, 3), dtype=np.uint8),
        "y_test": labels[::7],
        "classes": np.array(["ant", "bee", "cow"]),
    }


def make_npz(place: Path, seed: int) -> str:
    np.savez(place / "a.npz", **arrays(seed))
    return f"npz:{place / 'a.npz'}"


def make_folder(place: Path, seed: int) -> str:
    held = arrays(seed)
    for part in ("train", "test"):
        for number, (image, label) in enumerate(zip(held[f"x_{part}"], held[f"y_{part}"], strict=True)):
            folder = place / "a" / part / held["classes"][label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number:03}.png")
    return f"folder:{place / 'a'}"


def make_attributes(place: Path, seed: int) -> str:
    """A multi-label npz of four attributes."""
    held = arrays(seed)
    draw = np.random.default_rng(seed + 1)
    labels = {f"y_{part}": draw.integers(0, 2, (len(held[f"y_{part}"]), 4)) for part in ("train", "test")}
    np.savez(place / "b.npz", **(held | labels | {"classes": np.array(["hat", "tie", "bag", "cap"])}))
    return f"npz:{place / 'b.npz'}"


def make_mnist(place: Path, seed: int) -> str:
    write_mnist(place / "MNIST" / "raw", seed)
    return f"mnist:{place}"


def make_fashion_mnist(place: Path, seed: int) -> str:
    write_mnist(place / "FashionMNIST" / "raw", seed)
    return f"fashion-mnist:{place}"


def make_celeba(place: Path, seed: int) -> str:
    write_celeba(place, seed, (60, 0, 9))
    return f"celeba:{place}"


def only_where_it_lies(name: str, folder: str) -> Callable[[Path, int], str]:
    """torchvision holds these files against checksums, so none can be made here."""

    def make(_place: Path, _seed: int) -> str:
        if not (Path(os.environ.get("SUTURE_DATA", ".")) / folder).is_dir():
            pytest.skip(f"SUTURE_DATA holds no {folder}")
        return name

    return make


MAKERS = {
    "sample": lambda _place, _seed: "sample",
    "cifar10": only_where_it_lies("cifar10", "cifar-10-batches-py"),
    "cifar100": only_where_it_lies("cifar100", "cifar-100-python"),
    "mnist": make_mnist,
    "fashion-mnist": make_fashion_mnist,
    "celeba": make_celeba,
    "folder": make_folder,
    "npz": make_npz,
    "npz of attributes": make_attributes,
}


def test_every_kind_is_tested():
    assert set(MAKERS) - {"npz of attributes"} == set(DATA)


@pytest.fixture(params=MAKERS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def data(kind, tmp_path) -> DataSet:
    return load_data(MAKERS[kind](tmp_path, 0), size=SIDE)


def test_classes_have_names_and_labels_number_them(data):
    assert len(set(data.classes)) == len(data.classes) >= 2
    assert all(isinstance(name, str) and name for name in data.classes)
    for split in (data.train, data.test):
        assert len(split.labels) == len(split) == len(split.images)
        if data.multilabel:
            assert split.labels.dtype == torch.float32
            assert split.labels.shape[1:] == (len(data.classes),)
            assert set(split.labels.unique().tolist()) == {0, 1}
        else:
            assert split.labels.dtype == torch.int64
            assert split.labels.ndim == 1
            assert set(split.labels.tolist()) <= set(range(len(data.classes)))
    if not data.multilabel:
        assert set(data.train.labels.tolist()) == set(range(len(data.classes)))


def test_batches_are_float32_rgb_in_0_1_and_the_same_each_time(data):
    for split in (data.train, data.test):
        part = split.first(7)
        batches = list(part.batches(4))
        assert [len(images) for images, _ in batches] == [4, 3]
        for (images, labels), (again, _) in zip(batches, part.batches(4), strict=True):
            assert images.dtype == torch.float32
            assert images.shape[1] == 3
            assert 0 <= images.min() < images.max() <= 1
            assert torch.equal(images, again)
            assert len(labels) == len(images)
        assert torch.equal(torch.cat([labels for _, labels in batches]), split.labels[:7])


def test_every_image_has_a_name_that_it_keeps(data):
    names = [split.name(index) for split in (data.train, data.test) for index in range(len(split))]
    assert len(set(names)) == len(names)
    assert data.train.select([5, 2]).name(0) == data.train.name(5)
    cut = data.with_validation(seed=3)
    both = {split.name(index) for split in (cut.train, cut.val) for index in range(len(split))}
    assert both == {data.train.name(index) for index in range(len(data.train))}


def test_two_processes_see_what_one_sees(data):
    examples = ImageExamples(data.train.first(9), ("flip", "crop", "erase"))
    whole, *parts = (
        list(examples.epoch(4, torch.Generator().manual_seed(0), share)) for share in ((0, 1), (0, 2), (1, 2))
    )
    for (images, labels, _), *own in zip(whole, *parts, strict=True):
        for rank, (some, its_labels, _) in enumerate(own):
            assert torch.equal(some, images[rank::2])
            assert torch.equal(its_labels, labels[rank::2])


def test_validation_is_cut_from_training_alone(data):
    cut = data.with_validation(seed=3)
    assert data.val is None
    assert cut.test is data.test
    assert len(cut.train) + len(cut.val) == len(data.train)
    assert len(cut.val) == len(data.train) // 10
    both = torch.cat([cut.train.labels, cut.val.labels])
    if data.multilabel:
        assert torch.equal(both.sum(0), data.train.labels.sum(0))
    else:
        assert set(cut.val.labels.tolist()) == set(data.train.labels.tolist())
        assert torch.equal(both.bincount(), data.train.labels.bincount())
    assert cut.with_validation(seed=4) is cut


def test_the_digest_names_the_content(kind, data, tmp_path):
    again = load_data(MAKERS[kind](tmp_path, 0), size=SIDE)
    digest = data.digest()
    assert again.digest() == again.with_validation().digest() == digest
    if kind not in ("sample", "cifar10", "cifar100"):
        assert load_data(MAKERS[kind](tmp_path, 1), size=SIDE).digest() != digest


def test_a_name_holds_no_place(data, tmp_path):
    assert json.dumps(data.name)
    assert str(tmp_path) not in data.name
