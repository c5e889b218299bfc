import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raising import raises
from suture.data.arrays import check_labels, to_bytes, to_split
from suture.data.dataset import Split
from suture.data.images import ArrayImages
from suture.errors import DataError

SIDES = st.integers(4, 9)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@given(st.integers(0, 4), SIDES, SIDES)
def test_every_usual_shape_becomes_the_same_bytes(n, height, width):
    array = noise(n, 3, height, width)
    expected = torch.from_numpy(array)
    assert torch.equal(to_bytes(array, "x"), expected)
    assert torch.equal(to_bytes(array.transpose(0, 2, 3, 1), "x"), expected)
    grey = torch.from_numpy(array[:, :1]).expand(-1, 3, -1, -1)
    assert torch.equal(to_bytes(array[:, 0], "x"), grey)
    assert torch.equal(to_bytes(array[:, :1], "x"), grey)
    assert torch.equal(to_bytes(array[:, 0, ..., None], "x"), grey)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
def test_floats_in_0_1_are_bytes_divided_by_255(kind):
    array = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, 0)[None]
    assert torch.equal(to_bytes((array / 255).astype(kind), "x"), torch.from_numpy(array))


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (noise(2, 8, 8, 4), ["x have shape (2, 8, 8, 4)", "3 channels"]),
        (noise(2, 8), ["shape (2, 8)"]),
        (noise(2, 3, 0, 8), ["shape (2, 3, 0, 8)"]),
        (noise(2, 8, 8, 3).astype("i8"), ["type int64", "astype('uint8')"]),
        (np.zeros((2, 8, 8, 3), bool), ["type bool"]),
        (np.full((2, 8, 8, 3), 200.0), ["floats from 200 to 200", "images / 255"]),
        (np.full((2, 8, 8, 3), -0.5), ["floats from -0.5 to -0.5"]),
        (np.full((2, 8, 8, 3), np.nan), ["floats from nan"]),
    ],
)
def test_images_of_the_wrong_kind(images, words):
    with raises(DataError, "the images of x", *words):
        to_bytes(images, "x")


@pytest.mark.parametrize("kind", ["u1", "i4", "u8", ">i2"])
def test_labels_become_int64(kind):
    for labels in (np.array([0, 3, 1], kind), np.array([[0], [3], [1]], kind)):
        split = to_split(noise(3, 8, 8, 3), labels, "x")
        assert split.labels.dtype == torch.int64
        assert split.labels.tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(3), ["shape (3,) and type float64", "whole numbers"]),
        (np.zeros((3, 0), int), ["shape (3, 0)", "one class number per image"]),
        (np.zeros((3, 1), bool), ["shape (3,) and type bool"]),
        (np.zeros((3, 2, 2), int), ["shape (3, 2, 2)", "for k attributes"]),
        (np.full((3, 2), "1"), ["shape (3, 2) and type <U1"]),
        (np.full((3, 2), 1j), ["type complex128"]),
        (np.zeros((2, 4), int), ["3 images and 2 labels", "one label per image"]),
        (np.array(3), ["shape ()"]),
        (np.zeros(3, bool), ["type bool"]),
        (np.zeros(2, int), ["3 images and 2 labels", "one label per image"]),
    ],
)
def test_labels_of_the_wrong_kind(labels, words):
    with raises(DataError, "x", *words):
        to_split(noise(3, 8, 8, 3), labels, "x")


@pytest.mark.parametrize("kind", ["?", "u1", "i8", "f2", ">f8"])
@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 99))
def test_attributes_become_float32(kind, n, k, seed):
    labels = np.random.default_rng(seed).integers(0, 2, (n, k))
    split = to_split(noise(n, 8, 8, 3), labels.astype(kind), "x")
    assert split.labels.dtype == torch.float32
    assert np.array_equal(split.labels, labels)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0, 2], [3, 1], [1, 1]], "2 labels of x are neither 0 nor 1, the first is 2"),
        ([[-1, 1], [1, 1], [-1, 1]], "2 labels of x are neither 0 nor 1, the first is -1"),
        ([[0.5, 1], [1, 1], [0, 1]], "1 labels of x are neither 0 nor 1, the first is 0.5"),
        ([[0, 1], [1, float("nan")], [0, 1]], "1 labels of x are neither 0 nor 1, the first is nan"),
    ],
)
def test_attributes_are_there_or_not(labels, told):
    with raises(DataError, told, "labels > 0"):
        to_split(noise(3, 8, 8, 3), np.array(labels), "x")


def test_no_images_at_all():
    for images in (noise(0, 8, 8, 3), np.zeros((0, 8, 8, 3))):
        with raises(DataError, "0 images and 0 labels", "at least one image"):
            to_split(images, np.zeros(0, int), "x")


@pytest.mark.parametrize(("label", "told"), [(3, "the first is 3"), (-1, "the first is -1")])
def test_labels_outside_the_classes(label, told):
    split = Split(ArrayImages(torch.zeros(3, 3, 2, 2, dtype=torch.uint8)), torch.tensor([0, label, 2]))
    with raises(DataError, "1 labels of x (test)", told, "labels from 0 to 2"):
        check_labels({"val": None, "test": split}, 3, "x")
