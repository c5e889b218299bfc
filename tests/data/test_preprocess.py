import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models import EfficientNet_B0_Weights, ResNet18_Weights, ViT_B_16_Weights

from raising import raises
from suture.data.preprocess import Preprocess
from suture.errors import DataError

TAGS = [ResNet18_Weights.IMAGENET1K_V1, EfficientNet_B0_Weights.IMAGENET1K_V1, ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1]
MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)


def noise(n: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(0))


def like(preset) -> Preprocess:
    kind = preset.interpolation.value
    return Preprocess(tuple(preset.mean), tuple(preset.std), preset.crop_size[0], preset.resize_size[0], kind)


@pytest.mark.parametrize("tag", TAGS, ids=lambda tag: type(tag).__name__)
@pytest.mark.parametrize("size", [(224, 224), (256, 301), (333, 250), (32, 32), (101, 64), (400, 700)])
def test_it_is_torchvisions_own_preset(tag, size):
    preset, images = tag.transforms(), noise(1, *size)
    torch.testing.assert_close(like(preset)(images), preset(images), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=80)
@given(
    st.integers(5, 60),
    st.integers(5, 60),
    st.integers(4, 20),
    st.integers(0, 7),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_it_is_the_preset_at_every_size(height, width, size, more, kind):
    preset = TAGS[0].transforms(crop_size=size, resize_size=size + more)
    preset.interpolation = type(preset.interpolation)(kind)
    images = noise(1, height, width)
    torch.testing.assert_close(like(preset)(images), preset(images), rtol=0, atol=1e-5)


def test_without_a_size_the_images_keep_theirs():
    images = noise(2, 5, 7)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    torch.testing.assert_close(Preprocess(MEAN, STD)(images), (images - mean) / std)


def test_images_of_the_right_size_are_not_resampled():
    images = noise(2, 32, 32)
    assert torch.equal(Preprocess((0, 0, 0), (1, 1, 1), 32)(images), images)


@pytest.mark.parametrize("size", [(9, 14), (14, 9), (12, 12)])
def test_stretched_images_are_seen_whole(size):
    height, width = size
    ramp = torch.linspace(0, 1, width).expand(1, 3, height, width)
    found = Preprocess((0, 0, 0), (1, 1, 1), 12, stretch=True)(ramp)
    assert found.shape == (1, 3, 12, 12)
    expected = torch.nn.functional.interpolate(ramp, (12, 12), mode="bilinear", antialias=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert "stretch" in repr(Preprocess(MEAN, STD, 8, stretch=True))


def test_nearest_repeats_pixels():
    images = noise(1, 2, 2)
    found = Preprocess((0, 0, 0), (1, 1, 1), 4, interpolation="nearest")(images)
    assert torch.equal(found, images.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_it_has_nothing_to_learn_or_save_and_leaves_its_input_alone():
    module, images = Preprocess(MEAN, STD, 8), noise(1, 9, 11)
    before = images.clone()
    module(images)
    assert torch.equal(images, before)
    assert not list(module.parameters())
    assert not module.state_dict()
    assert "size=8" in repr(module)


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (torch.zeros(3, 8, 8), "(3, 8, 8)"),
        (torch.zeros(2, 1, 8, 8), "(2, 1, 8, 8)"),
        (torch.zeros(2, 8, 8, 3), "(2, 8, 8, 3)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
    ],
)
def test_images_of_the_wrong_kind(images, told):
    with raises(DataError, told, "images.float() / 255", "images[None]"):
        Preprocess(MEAN, STD, 8)(images)
