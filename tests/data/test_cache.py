import gc

import pytest
import torch
from torch import nn

from raising import raises
from suture.data.augment import augment
from suture.data.cache import cache_activations
from suture.data.dataset import Split
from suture.data.images import ArrayImages
from suture.errors import DataError

N = 300


@pytest.fixture
def split():
    array = torch.randint(0, 256, (N, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Split(ArrayImages(array), torch.arange(N) % 3)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SUTURE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def activations(encoder, split):
    with torch.no_grad():
        return encoder.eval()(split.images.array.float() / 255)


@pytest.mark.parametrize("in_memory", [2**30, 0])
def test_what_is_kept_is_what_the_frozen_encoder_gives(split, encoder, in_memory, folder):
    kept = cache_activations(encoder.train(), split, in_memory=in_memory)
    assert folder.exists() == (in_memory == 0)
    torch.testing.assert_close(kept.values, activations(encoder, split))
    assert not kept.values.requires_grad
    assert int(encoder[1].num_batches_tracked) == 0
    found = list(kept.batches(128))
    assert [len(labels) for _, labels in found] == [128, 128, 44]
    assert torch.equal(torch.cat([x for x, _ in found]), kept.values)
    assert torch.equal(torch.cat([y for _, y in found]), split.labels)


def test_the_file_goes_with_the_last_who_holds_it(split, encoder, folder):
    kept = cache_activations(encoder, split, in_memory=0)
    assert len(list(folder.iterdir())) == 1
    del kept
    gc.collect()
    assert not list(folder.iterdir())


def test_one_view_is_the_images_as_they_are(split, encoder):
    kept = cache_activations(encoder, split, kinds=("flip", "crop"))
    torch.testing.assert_close(kept.values, activations(encoder, split))


def test_views_are_augmented_each_in_its_own_way(split):
    kept = cache_activations(nn.Identity(), split, kinds=("flip",), views=3, seed=4)
    generator, images = torch.Generator().manual_seed(4), split.images.array.float() / 255
    expected = [augment(part, ("flip",), generator) for _ in range(3) for part in images.split(256)]
    assert torch.equal(kept.values, torch.cat(expected))
    assert len(kept) == N
    for images, labels, _known in kept.epoch(100, torch.Generator().manual_seed(0)):
        assert images.shape == (100, 3, 8, 8)
        assert labels.shape == (100,)


def test_an_epoch_gives_every_image_once_as_one_of_its_views(split):
    number = split.images.array[:, :1, :1, :1].float() / 255
    number[:, 0, 0, 0] = torch.arange(N)
    kept = cache_activations(nn.Identity(), split, views=3)
    values = torch.cat([number + N * view for view in range(3)])
    kept.values.copy_(values.expand_as(kept.values))
    batches = list(kept.epoch(64, torch.Generator().manual_seed(0)))
    seen = torch.cat([x[:, 0, 0, 0] for x, _, _ in batches]).long()
    labels = torch.cat([y for _, y, _ in batches])
    assert sorted((seen % N).tolist()) == list(range(N))
    assert torch.equal(labels, seen % N % 3)
    assert set((seen // N).tolist()) == {0, 1, 2}


def test_what_is_too_large_is_not_kept(split, encoder, folder):
    assert cache_activations(encoder, split, in_memory=0, on_disk=1000) is None

    class Huge(nn.Module):
        def forward(self, x):
            return x[:, :1, :1, :1].expand(-1, -1, -1, 2**44)

    assert cache_activations(Huge(), split.first(2), on_disk=2**62) is None
    assert not list(folder.iterdir())


def test_a_cache_folder_that_cannot_be_made(split, encoder, folder):
    folder.write_text("a file in the way")
    with raises(DataError, str(folder), "SUTURE_CACHE=FOLDER"):
        cache_activations(encoder, split, in_memory=0)
