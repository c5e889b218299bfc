"""What a sample is where activations are maps: the whole of them, their means, or positions at the same places."""

import math

import pytest
import torch
from torch import Tensor, nn

from raising import raises
from suture.errors import MeasureError
from suture.graph import trace
from suture.measures import Comparison, Layers, compare_pairs, compute, find, look
from suture.measures.spatial import Rows, draw_points, rows_of
from suture.spec.cut import Cut, Layout

N, SEED = 40, 3
IMAGES = torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Maps(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.fine, self.coarse = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 4, 4, stride=4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.coarse(self.fine(x)).mean((2, 3)))


def layers(network: nn.Module, *names: str) -> Layers:
    return look(trace(network.eval(), IMAGES[:2]), "maps", names, IMAGES[:3])


@torch.no_grad()
def values(network: Maps) -> dict[str, Tensor]:
    fine = network.fine(IMAGES)
    coarse = network.coarse(fine)
    return {"fine": fine, "coarse": coarse, "fc": network.fc(coarse.mean((2, 3)))}


def compared(a: Layers, b: Layers, measure: str, **fields):
    return compare_pairs(Comparison(a, b, (find(measure),), N, seed=SEED, **fields), lambda size: IMAGES.split(size))[0]


@pytest.mark.parametrize("measure", ["cka", "cka_linear_debiased", "procrustes", "knn"])
def test_means_are_over_the_cells(measure):
    one, other = Maps(0), Maps(1)
    found = compared(
        layers(one, "fine", "coarse", "fc"), layers(other, "fine", "coarse", "fc"), measure, spatial="mean"
    )
    rows = [{k: v.flatten(2).mean(2) if v.ndim == 4 else v for k, v in values(n).items()} for n in (one, other)]
    for x in rows[0]:
        for y in rows[1]:
            assert found.value(x, y) == pytest.approx(compute(measure, rows[0][x], rows[1][y]), abs=2e-6)


@pytest.mark.parametrize("measure", ["cka", "cka_linear_debiased", "procrustes", "knn", "l2"])
@pytest.mark.parametrize("points", [1, 3])
def test_positions_are_the_cells_that_hold_the_same_points_of_the_images(measure, points):
    one, other = Maps(0), Maps(1)
    a, b = layers(one, "fine", "coarse", "fc"), layers(other, "fine", "coarse", "fc")
    found = compared(a, b, measure, spatial="positions", points=points)
    assert found.n == N * points
    places = draw_points("positions", N, points, SEED)

    def gathered(value: Tensor) -> Tensor:
        if value.ndim == 2:
            return value.repeat_interleave(points, 0)
        side = value.shape[2]
        rows = [value[i, :, int(v * side), int(u * side)] for i in range(N) for v, u in places[i].tolist()]
        return torch.stack(rows)

    for x, left in values(one).items():
        for y, right in values(other).items():
            if measure == "l2" and left.shape[1] != right.shape[1]:
                assert found.value(x, y) is None
                continue
            assert found.value(x, y) == pytest.approx(compute(measure, gathered(left), gathered(right)), abs=2e-6)


def test_points_are_drawn_by_the_seed_and_lie_in_the_image():
    places = draw_points("positions", 500, 4, 0)
    assert places.shape == (500, 4, 2)
    assert torch.equal(places, draw_points("positions", 500, 4, 0))
    assert not torch.equal(places, draw_points("positions", 500, 4, 1))
    assert places.min() >= 0
    assert places.max() < 1
    cells = (places * 4).long().flatten(0, 1)
    counts = (cells[:, 0] * 4 + cells[:, 1]).bincount(minlength=16)
    assert counts.min() > 0.6 * 2000 / 16


def cut(layout: Layout, shape: tuple[int, ...], cells: tuple[int, int] | None = None) -> Cut:
    return Cut("x", layout, shape, None, 0, 0, 0, 0, cells=cells)


def test_tokens_are_cells_and_class_tokens_have_no_place():
    tokens = torch.rand(2, 1 + 6, 5)
    rows = rows_of((7, 5), cut(Layout.NLC, (7, 5), (2, 3)), "mean")
    assert isinstance(rows, Rows)
    assert torch.allclose(rows(tokens, torch.zeros(2, 1, 2)), tokens[:, 1:].mean(1))
    rows = rows_of((7, 5), cut(Layout.NLC, (7, 5), (2, 3)), "positions")
    assert isinstance(rows, Rows)
    corner = torch.tensor([[[0.99, 0.99], [0, 0.4]]]).expand(2, 2, 2)
    expected = torch.stack([tokens[0, 6], tokens[0, 2], tokens[1, 6], tokens[1, 2]])
    assert torch.equal(rows(tokens, corner), expected)


def test_what_has_no_places_is_refused_and_said():
    loose = cut(Layout.NLC, (7, 5))
    assert isinstance(rows_of((7, 5), loose, "mean"), Rows)
    with raises(MeasureError, "7x5", "not known which axes are rows and columns", "--spatial flatten or mean"):
        raise rows_of((7, 5), loose, "positions")
    with raises(MeasureError, "2x3x4", "not known which axes are positions", "--spatial flatten"):
        raise rows_of((2, 3, 4), None, "mean")
    assert isinstance(rows_of((2, 3, 4), None, "flatten"), Rows)
    flat = rows_of((2, 3, 4), None, "flatten")
    assert isinstance(flat, Rows)
    assert math.prod(flat.shape) == 24


def test_half_precision_is_widened():
    rows = rows_of((4,), cut(Layout.NC, (4,)), "mean")
    assert isinstance(rows, Rows)
    assert rows(torch.rand(2, 4).half(), torch.zeros(2, 1, 2)).dtype == torch.float32
