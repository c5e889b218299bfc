import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from suture.data.augment import AugmentedImages, apply, augment, draw
from suture.data.dataset import Split
from suture.data.examples import ImageExamples
from suture.data.images import ArrayImages
from suture.spec.names import AUGMENTATIONS

KINDS = st.lists(st.sampled_from(AUGMENTATIONS), unique=True)
EXACT = st.lists(st.sampled_from(["flip", "crop", "erase"]), unique=True)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distinct(n: int, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.arange(1, 1 + n * 3 * height * width, dtype=torch.float32).view(n, 3, height, width)


@given(st.integers(0, 4), st.integers(1, 20), st.integers(1, 20), KINDS, st.integers(0, 9), st.booleans())
def test_an_image_keeps_its_shape_and_its_range(n, height, width, kinds, seed, as_bytes):
    images = distinct(n, height, width)
    images = images.to(torch.uint8) if as_bytes else images / (images.max() if n else 1)
    before = images.clone()
    changed = augment(images, kinds, seeded(seed))
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert torch.equal(images, before)
    for old, new in zip(images, changed, strict=True):
        assert 0 <= new.min() <= new.max() <= old.max() * (1 + 1e-6)
    assert torch.equal(augment(images, kinds, seeded(seed)), changed)


@given(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), EXACT, st.integers(0, 9))
def test_what_moves_whole_pixels_adds_only_black(n, height, width, kinds, seed):
    images = distinct(n, height, width)
    for old, new in zip(images, augment(images, kinds, seeded(seed)), strict=True):
        assert set(new.flatten().tolist()) <= {0, *old.flatten().tolist()}


@given(st.integers(1, 5), KINDS, st.integers(0, 9))
def test_flips_and_crops_are_drawn_before_the_rest(n, kinds, seed):
    """So that what runs before there were others drew is what they draw again."""
    changes, generator = draw(n, 16, kinds, seeded(seed)), seeded(seed)
    if "crop" in kinds:
        assert torch.equal(changes.shift, torch.randint(0, 5, (2, n), generator=generator))
    if "flip" in kinds:
        assert torch.equal(changes.flipped, torch.rand(n, generator=generator) < 0.5)
    assert (changes.shift is None, changes.flipped is None) == ("crop" not in kinds, "flip" not in kinds)


@given(st.integers(1, 6), KINDS, st.integers(0, 9), st.lists(st.integers(0, 5), max_size=6))
def test_the_changes_of_some_images_are_those_they_have_among_all(n, kinds, seed, indices):
    images, rows = distinct(n, 9, 7), torch.tensor([i for i in indices if i < n], dtype=torch.long)
    changes = draw(n, 7, kinds, seeded(seed))
    torch.testing.assert_close(apply(images[rows], changes.of(rows)), apply(images, changes)[rows])
    torch.testing.assert_close(apply(images[1::2], changes.of(slice(1, None, 2))), apply(images, changes)[1::2])


def test_nothing_is_changed_when_nothing_is_asked():
    assert torch.equal(augment(distinct(3), [], seeded()), distinct(3))


def test_flipping_flips_about_half_and_does_nothing_else():
    images = distinct(200, 2, 2)
    changed = augment(images, ["flip"], seeded())
    flipped = (changed == images.flip(-1)).flatten(1).all(1)
    same = (changed == images).flatten(1).all(1)
    assert (flipped ^ same).all()
    assert 60 < flipped.sum() < 140


def test_cropping_shifts_by_up_to_an_eighth_each_way_and_all_channels_together():
    images = torch.zeros(300, 3, 16, 16)
    images[:, :, 8, 8] = torch.tensor([1.0, 2.0, 3.0])
    changed = augment(images, ["crop"], seeded())
    at = (changed[:, 0] == 1).nonzero()[:, 1:] - 8
    assert len(at) == 300
    assert {tuple(pair) for pair in at.tolist()} == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}
    assert torch.equal(changed[:, 1], 2 * changed[:, 0])


@pytest.mark.parametrize("kinds", [(), ("flip", "crop")])
def test_an_epoch_gives_every_image_once_with_its_label(kinds):
    array = torch.arange(1, 8, dtype=torch.uint8).view(7, 1, 1, 1).expand(7, 3, 8, 8).contiguous()
    examples = ImageExamples(Split(ArrayImages(array), torch.arange(7)), kinds)
    batches = list(examples.epoch(3, seeded(1)))
    assert [len(labels) for _, labels, _ in batches] == [3, 3, 1]
    images, labels = (torch.cat(parts) for parts in zip(*((x, y) for x, y, _ in batches), strict=True))
    assert images.dtype == torch.float32
    assert labels.tolist() != list(range(7))
    assert sorted(labels.tolist()) == list(range(7))
    assert torch.equal((images.amax((1, 2, 3)) * 255).round().long(), labels + 1)
    again = torch.cat([labels for _, labels, _ in examples.epoch(3, seeded(1))])
    other = torch.cat([labels for _, labels, _ in examples.epoch(3, seeded(2))])
    assert torch.equal(again, labels)
    assert not torch.equal(other, labels)


@given(KINDS, st.integers(0, 9), st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_a_view_shows_each_image_the_same_way_whenever_it_is_asked(kinds, seed, indices):
    plain = ArrayImages(distinct(7, 4, 5).to(torch.uint8))
    view = AugmentedImages(plain, kinds, seed)
    whole = view.batch(range(7))
    assert len(view) == 7
    assert torch.equal(whole, augment(plain.array, kinds, seeded(seed)))
    assert torch.equal(view.batch(indices), whole[indices])
    assert torch.equal(view.select(indices).batch(range(len(indices))), whole[indices])
    assert torch.equal(AugmentedImages(plain, kinds, seed).batch(range(7)), whole)


def test_a_view_hashes_as_its_images():
    plain = ArrayImages(distinct(3).to(torch.uint8))
    digests = []
    for images in (plain, AugmentedImages(plain, ("flip", "crop"), 0)):
        sha = hashlib.sha256()
        images.hash_into(sha)
        digests.append(sha.hexdigest())
    assert digests[0] == digests[1]
