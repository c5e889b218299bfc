"""Rotation, shift, scale and shear, held against torchvision and against what they mean."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.functional import InterpolationMode, affine

from suture.data.warp import Warp, draw_warp, warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one(turn: float = 0.0, shear: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Warp:
    return Warp(
        torch.tensor([math.radians(turn)]),
        torch.tensor([math.radians(shear)]),
        torch.tensor([scale]),
        torch.tensor(shift)[:, None],
    )


def marked(height: int, width: int, row: int, column: int) -> torch.Tensor:
    image = torch.zeros(1, 3, height, width)
    image[:, :, row, column] = 1
    return image


@given(st.integers(1, 4), st.integers(2, 30), st.integers(2, 30), st.integers(0, 9))
def test_it_is_torchvisions_affine(n, height, width, seed):
    images, changes = (
        torch.rand(n, 3, height, width, generator=seeded(seed)),
        draw_warp(n, ("rotate", "affine"), seeded()),
    )
    found = warp(images, changes)
    for i in range(n):
        shift = [float(changes.shift[1, i]) * width, float(changes.shift[0, i]) * height]
        expected = affine(
            images[i],
            math.degrees(changes.turn[i]),
            shift,
            float(changes.scale[i]),
            [math.degrees(changes.shear[i]), 0.0],
            InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(found[i], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (5, 12)])
def test_no_change_gives_the_image_back(size):
    images = torch.randint(0, 256, (1, 3, *size), generator=seeded(), dtype=torch.uint8)
    assert torch.equal(warp(images, one()), images)
    torch.testing.assert_close(warp(images / 255, one()), images / 255)


def test_a_quarter_turn_takes_the_top_to_the_right():
    torch.testing.assert_close(warp(marked(9, 9, 1, 4), one(turn=90)), marked(9, 9, 4, 7), atol=1e-5, rtol=0)
    assert torch.equal(warp(marked(8, 8, 0, 0).byte() * 200, one(turn=90)), marked(8, 8, 0, 7).byte() * 200)


def test_a_shift_is_down_and_right_in_shares_of_the_sides():
    found = warp(marked(10, 20, 3, 4), one(shift=(0.2, 0.1)))
    torch.testing.assert_close(found, marked(10, 20, 5, 6), atol=1e-5, rtol=0)


def test_a_scale_moves_away_from_the_centre():
    found = warp(marked(9, 9, 2, 4), one(scale=2.0))[0, 0]
    assert found.argmax() == 0 * 9 + 4
    assert found.sum() > marked(9, 9, 2, 4)[0, 0].sum()


def test_a_shear_moves_rows_and_keeps_columns_in_their_row():
    found = warp(marked(9, 9, 0, 4), one(shear=45))[0, 0]
    torch.testing.assert_close(found, marked(9, 9, 0, 8)[0, 0], atol=1e-5, rtol=0)


def test_where_the_image_ends_it_is_black():
    white = torch.full((1, 3, 10, 10), 255, dtype=torch.uint8)
    found = warp(white, one(shift=(0.5, 0.0)))
    assert (found[:, :, :5] == 0).all()
    assert (found[:, :, 5:] == 255).all()


def test_ranges_are_filled_and_kept():
    changes = draw_warp(2000, ("rotate", "affine"), seeded())
    bounds = {"turn": math.radians(10), "shear": math.radians(5), "shift": 0.05}
    for name, most in bounds.items():
        values = getattr(changes, name)
        assert values.abs().max() <= most
        assert values.min() < -0.95 * most
        assert values.max() > 0.95 * most
    assert 0.95 <= changes.scale.min() < 0.955 < 1.045 < changes.scale.max() <= 1.05


def test_only_what_is_asked_for_changes():
    assert draw_warp(3, ("flip", "crop", "erase"), seeded()) is None
    turned, moved = draw_warp(3, ("rotate",), seeded()), draw_warp(3, ("affine",), seeded())
    assert turned.turn.all()
    assert not turned.shear.any()
    assert not turned.shift.any()
    assert (turned.scale == 1).all()
    assert not moved.turn.any()
    assert moved.shear.all()
    assert moved.shift.all()


def test_no_images_stay_none():
    changes = draw_warp(0, ("rotate",), seeded())
    assert warp(torch.zeros(0, 3, 8, 8), changes).shape == (0, 3, 8, 8)
