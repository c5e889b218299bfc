"""Fixed changes: the same image changes the same way however it is asked for."""

import torch

from small import sample_split
from suture.data.augment import AugmentedImages


def test_an_image_keeps_its_change():
    images = sample_split(20).images
    changed = AugmentedImages(images, ("flip", "crop"), seed=3)
    whole = changed.batch(range(20))
    assert len(changed) == 20
    assert whole.dtype == torch.uint8
    assert not torch.equal(whole, images.batch(range(20)))
    assert torch.equal(changed.batch([7, 2]), whole[[7, 2]])
    assert torch.equal(changed.select([7, 2, 5]).batch([2, 0]), whole[[5, 7]])
    assert torch.equal(AugmentedImages(images, ("flip", "crop"), seed=3).batch(range(20)), whole)
    assert not torch.equal(AugmentedImages(images, ("flip", "crop"), seed=4).batch(range(20)), whole)


def test_no_kind_changes_nothing():
    images = sample_split(5).images
    assert torch.equal(AugmentedImages(images, (), seed=0).batch(range(5)), images.batch(range(5)))
