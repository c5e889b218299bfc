"""Copies on two sides are found; images that are merely alike are not."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from small import sample_split
from suture.data.dataset import DataSet, Duplicate, Split
from suture.data.duplicates import duplicates
from suture.data.images import ArrayImages
from suture.data.load import load_data

N = 40


def compressed(image: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "the same": lambda image: image,
    "compressed": compressed,
    "resized": lambda image: image.resize((48, 48), Image.Resampling.BICUBIC).resize(
        (32, 32), Image.Resampling.BICUBIC
    ),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "all of it": lambda image: compressed(ImageEnhance.Brightness(image.resize((64, 64))).enhance(1.1)).resize(
        (32, 32)
    ),
}


def side(images: list[Image.Image], name: str) -> Split:
    pixels = torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images])
    names = tuple(f"{name}/{number}" for number in range(len(images)))
    return Split(ArrayImages(pixels), torch.zeros(len(images), dtype=torch.long), names)


def data_of(train: list[Image.Image], test: list[Image.Image], val: list[Image.Image] | None = None) -> DataSet:
    held = side(val, "val") if val else None
    return DataSet("x", ("a",), side(train, "train"), side(test, "test"), held)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    images = sample_split(2 * N).images.batch(range(2 * N))
    return [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(change, pictures):
    copies = [CHANGES[change](image) for image in pictures[:10]]
    found = duplicates(data_of(pictures[:N], [*pictures[N:], *copies]))
    pairs = {(one.name_a, one.name_b) for one in found}
    assert pairs <= {(f"train/{index}", f"test/{N + index}") for index in range(10)}
    assert len(pairs) >= 9
    assert all((one.split_a, one.split_b) == ("train", "test") for one in found)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    if change == "the same":
        assert {one.distance for one in found} == {0}


def test_sizes_may_differ_between_sides(pictures):
    larger = [image.resize((90, 90), Image.Resampling.BICUBIC) for image in pictures[:5]]
    found = duplicates(data_of(pictures[:N], larger))
    assert {(one.name_a, one.name_b) for one in found} == {(f"train/{index}", f"test/{index}") for index in range(5)}


def test_every_two_sides_are_compared_and_no_side_with_itself(pictures):
    one = pictures[3]
    found = duplicates(data_of([one, one, pictures[9]], [one, pictures[11]], [pictures[12], one]))
    assert set(found) == {
        Duplicate("train", "train/0", "test", "test/0", 0),
        Duplicate("train", "train/1", "test", "test/0", 0),
        Duplicate("train", "train/0", "val", "val/1", 0),
        Duplicate("train", "train/1", "val", "val/1", 0),
        Duplicate("val", "val/1", "test", "test/0", 0),
    }


def test_flat_images_are_like_nothing(pictures):
    flat = [Image.new("RGB", (32, 32), colour) for colour in ("black", "white", "grey", "red", "black")]
    assert duplicates(data_of([*flat, *pictures[:N]], [*flat, *pictures[N:]])) == ()


def test_noise_and_its_mirror_are_different():
    draw = np.random.default_rng(0)
    noise = [Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(100)]
    mirrored = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in noise]
    assert duplicates(data_of(noise[:50], [*noise[50:], *mirrored])) == ()


def test_of_too_many_the_nearest(pictures):
    copies = [compressed(image, 30) for image in pictures[:20]]
    data = data_of(pictures[:20], [*copies, *pictures[:5]])
    everything, few = duplicates(data), duplicates(data, most=5)
    assert len(everything) > 20
    assert few == everything[:5]
    assert {one.distance for one in few} == {0}


def test_the_sample_and_one_side_alone(pictures):
    sample = load_data("sample")
    found = duplicates(sample.with_validation())
    assert {(one.split_a, one.split_b) for one in found} <= {("train", "val"), ("train", "test"), ("val", "test")}
    assert len(found) < 5
    assert duplicates(DataSet("x", ("a",), side(pictures, "train"), None)) == ()


@pytest.mark.cifar10
def test_cifar10_repeats_itself(cifar10_npz):
    """Of 3.3 % of the test images a duplicate was found in training by other means (Barz and Denzler 2020)."""
    data = load_data(f"npz:{cifar10_npz}")
    found = duplicates(data)
    assert 80 < len(found) < 330
    same = [
        data.train.labels[int(one.name_a.partition("/")[2])] == data.test.labels[int(one.name_b.partition("/")[2])]
        for one in found
    ]
    assert np.mean(same) > 0.98
