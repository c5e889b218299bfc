"""What every kind of data set keeps to."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from suture.data.dataset import DataSet
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


def make_cifar10(_place: Path, _seed: int) -> str:
    if not (Path(os.environ.get("SUTURE_DATA", ".")) / "cifar-10-batches-py").is_dir():
        pytest.skip("SUTURE_DATA holds no cifar-10-batches-py")
    return "cifar10"


MAKERS = {"sample": lambda _place, _seed: "sample", "cifar10": make_cifar10, "folder": make_folder, "npz": make_npz}


def test_every_kind_is_tested():
    assert set(MAKERS) == set(DATA)


@pytest.fixture(params=DATA)
def kind(request) -> str:
    return request.param


@pytest.fixture
def data(kind, tmp_path) -> DataSet:
    return load_data(MAKERS[kind](tmp_path, 0), size=SIDE)


def test_classes_have_names_and_labels_number_them(data):
    assert len(set(data.classes)) == len(data.classes) >= 2
    assert all(isinstance(name, str) and name for name in data.classes)
    for split in (data.train, data.test):
        assert split.labels.dtype == torch.int64
        assert split.labels.shape == (len(split),) == (len(split.images),)
        assert set(split.labels.tolist()) <= set(range(len(data.classes)))
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


def test_validation_is_cut_from_training_alone(data):
    cut = data.with_validation(seed=3)
    assert data.val is None
    assert cut.test is data.test
    assert len(cut.train) + len(cut.val) == len(data.train)
    assert len(cut.val) == len(data.train) // 10
    assert set(cut.val.labels.tolist()) == set(data.train.labels.tolist())
    both = torch.cat([cut.train.labels, cut.val.labels])
    assert torch.equal(both.bincount(), data.train.labels.bincount())
    assert cut.with_validation(seed=4) is cut


def test_the_digest_names_the_content(kind, data, tmp_path):
    again = load_data(MAKERS[kind](tmp_path, 0), size=SIDE)
    digest = data.digest()
    assert again.digest() == again.with_validation().digest() == digest
    if kind in ("folder", "npz"):
        assert load_data(MAKERS[kind](tmp_path, 1), size=SIDE).digest() != digest


def test_a_name_holds_no_place(data, tmp_path):
    assert json.dumps(data.name)
    assert str(tmp_path) not in data.name
