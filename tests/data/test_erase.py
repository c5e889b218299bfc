"""Random erasing: as often, as large and where the paper says."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from suture.data.erase import Boxes, draw_boxes, erase


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def box(area: float, aspect: float, down: float, right: float) -> Boxes:
    return Boxes(torch.tensor([area]), torch.tensor([aspect]), torch.tensor([[down], [right]]))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_what_is_erased_is_one_black_rectangle(height, width, seed):
    images = torch.full((8, 3, height, width), 7, dtype=torch.uint8)
    for image in erase(images, draw_boxes(8, seeded(seed))):
        black = (image == 0).all(0)
        assert torch.equal(black, (image == 0).any(0))
        assert torch.equal(black, black.any(1)[:, None] & black.any(0)[None])
        for line in (black.any(0), black.any(1)):
            assert (line.int().diff() != 0).sum() <= 2
    assert (images == 7).all()


def test_a_quarter_of_images_loses_2_to_20_percent():
    white = torch.ones(2000, 1, 64, 64)
    erased = 1 - erase(white, draw_boxes(2000, seeded())).mean((1, 2, 3))
    hit = erased > 0
    assert 0.22 < hit.float().mean() < 0.28
    assert 0.015 < erased[hit].min() < 0.03
    assert 0.19 < erased[hit].max() < 0.21


def test_a_box_has_its_area_its_aspect_and_its_place():
    white = torch.ones(1, 1, 20, 20)
    for down, right, rows, columns in ((0, 0, (0, 8), (0, 2)), (1, 1, (12, 20), (18, 20)), (0.5, 0, (6, 14), (0, 2))):
        expected = white.clone()
        expected[..., slice(*rows), slice(*columns)] = 0
        assert torch.equal(erase(white, box(0.04, 4.0, down, right)), expected)


def test_a_box_longer_than_a_side_ends_with_it():
    found = erase(torch.ones(1, 1, 4, 100), box(0.2, 3.3, 0.9, 0.5))
    assert (found.sum(2) == 0).any()
    assert found.sum() > 0


def test_no_area_erases_nothing():
    images = torch.rand(1, 3, 8, 8, generator=seeded())
    assert torch.equal(erase(images, box(0.0, 1.0, 0.5, 0.5)), images)
