"""Layouts and routes: canonical and back, commuting with the channel map, and what does not fit together."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from suture.adapters.route import fitting_route, route
from suture.graph.frames import Frame, frame_of, from_grid, to_grid, to_rows
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NCL, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NCL, Layout.NC


def cut(layout: Layout, *shape: int, cells: tuple[int, int] | None = None) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0, cells=cells)


VECTOR, MAP = cut(NC, 5), cut(NCHW, 5, 4, 4)


@pytest.mark.parametrize(
    ("of", "other", "frame"),
    [
        (cut(NCHW, 5, 3, 7), VECTOR, Frame((3, 7))),
        (cut(NHWC, 3, 7, 5), VECTOR, Frame((3, 7))),
        (VECTOR, MAP, Frame((1, 1))),
        (cut(NLC, 49, 5), VECTOR, Frame((7, 7))),
        (cut(NLC, 50, 5), VECTOR, Frame((7, 7), 1)),
        (cut(NLC, 1, 5), VECTOR, Frame((1, 1))),
        (cut(NLC, 12, 5), VECTOR, Frame((12, 1), loose=True)),
        (cut(NLC, 12, 5), cut(NCHW, 5, 3, 4), Frame((3, 4))),
        (cut(NLC, 13, 5), cut(NHWC, 3, 4, 5), Frame((3, 4), 1)),
        (cut(NLC, 16, 5), cut(NCHW, 5, 3, 5), Frame((3, 5), 1)),
        # what the networks of timm have: distilled, registers, registers without a class token
        (cut(NLC, 198, 5), VECTOR, Frame((14, 14), 2)),
        (cut(NLC, 201, 5), cut(NCHW, 5, 7, 7), Frame((14, 14), 5)),
        (cut(NLC, 260, 5), VECTOR, Frame((16, 16), 4)),
        (cut(NLC, 65, 5), cut(NCHW, 5, 7, 7), Frame((8, 8), 1)),
        # as many extra tokens as the other has are likely
        (cut(NLC, 21, 5), VECTOR, Frame((21, 1), loose=True)),
        (cut(NLC, 21, 5), cut(NLC, 54, 5, cells=(7, 7)), Frame((4, 4), 5)),
        (cut(NLC, 11, 5), cut(NLC, 11, 5, cells=(2, 3)), Frame((2, 3), 5)),
        # a known grid counts, whatever the other says
        (cut(NLC, 16, 5, cells=(2, 8)), MAP, Frame((2, 8))),
        (cut(NLC, 16, 5, cells=(3, 4)), MAP, Frame((3, 4), 4)),
        (cut(NCL, 5, 16, cells=(3, 5)), MAP, Frame((3, 5), 1)),
        (cut(NCL, 5, 17), VECTOR, Frame((4, 4), 1)),
        # nested tokens
        (cut(NLC, 4, 9, 5), MAP, Frame((36, 1), loose=True, nest=(4, 9))),
        (cut(NCL, 5, 4, 9), MAP, Frame((36, 1), loose=True, nest=(4, 9))),
        (cut(NLC, 4, 9, 5, cells=(6, 6)), MAP, Frame((6, 6), nest=(4, 9))),
    ],
)
def test_the_frame_of_a_cut(of, other, frame):
    assert frame_of(of, other) == frame
    assert frame.positions == of.positions


EVERY = [
    MAP,
    cut(NHWC, 3, 4, 5),
    cut(NLC, 9, 5),
    cut(NLC, 10, 5),
    cut(NLC, 7, 5),
    cut(NLC, 21, 5, cells=(4, 4)),
    cut(NLC, 4, 9, 5),
    cut(NLC, 2, 7, 5, cells=(3, 4)),
    cut(NCL, 5, 12, cells=(2, 5)),
    cut(NCL, 5, 2, 3, 4),
    VECTOR,
]


@pytest.mark.parametrize("of", EVERY, ids=str)
def test_to_grid_and_back_is_the_activation(of):
    x = torch.randn(2, *of.shape)
    frame = frame_of(of, of)
    grid, extra = to_grid(x, of.layout, frame)
    assert grid.shape == (2, 5, *frame.grid)
    assert (0 if extra is None else extra.shape[2]) == frame.extra
    torch.testing.assert_close(from_grid(grid, extra, of.layout, frame), x, rtol=0, atol=0)


def test_rows_are_positions_in_reading_order_with_the_class_token_first():
    x = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    tokens = x.flatten(2).transpose(1, 2)
    assert torch.equal(to_rows(x, NCHW), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x.permute(0, 2, 3, 1), NHWC), tokens.reshape(8, 3))
    assert torch.equal(to_rows(tokens, NLC), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x, NCL), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x.flatten(2), NCL), tokens.reshape(8, 3))
    assert torch.equal(to_rows(tokens.unflatten(1, (2, 2)), NLC), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x[:, :, 0, 0], NC), x[:, :, 0, 0])


def test_equal_cuts_move_nothing():
    for of in EVERY:
        x = torch.randn(2, *of.shape)
        assert route(of, of)(x) is x


def test_maps_enlarge_bilinearly_and_shrink_with_antialiasing():
    small, large = cut(NCHW, 5, 4, 4), cut(NCHW, 5, 7, 7)
    x, big = torch.randn(2, 5, 4, 4), torch.randn(2, 5, 7, 7)
    torch.testing.assert_close(route(small, large)(x), F.interpolate(x, (7, 7), mode="bilinear"))
    torch.testing.assert_close(route(large, small)(big), F.interpolate(big, (4, 4), mode="bilinear", antialias=True))
    torch.testing.assert_close(route(small, large, "nearest")(x), F.interpolate(x, (7, 7), mode="nearest-exact"))


def test_a_column_shrinks_as_its_row_does():
    """Where torch 2.15 by itself is wrong on the CPU."""
    for tall, short in (((6, 1), (3, 1)), ((6, 6), (3, 1)), ((8, 2), (2, 1))):
        x = torch.randn(2, 5, *tall)
        rows = route(cut(NCHW, 5, *tall[::-1]), cut(NCHW, 5, *short[::-1]))(x.transpose(2, 3))
        for of, image in ((cut(NCHW, 5, *tall), x), (cut(NHWC, *tall, 5), x.permute(0, 2, 3, 1).contiguous())):
            torch.testing.assert_close(route(of, cut(NCHW, 5, *short))(image), rows.transpose(2, 3))
    halved = route(cut(NCHW, 5, 4, 1), cut(NCHW, 5, 2, 1))(torch.eye(4)[:, None, :, None].expand(-1, 5, -1, -1))
    weights = torch.tensor([[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]])  # a triangle 4 wide, cut off
    torch.testing.assert_close(halved[:, 0, :, 0].T, weights)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_shrinks(dtype):
    moved = route(cut(NCHW, 5, 7, 7), MAP)(torch.ones(2, 5, 7, 7, dtype=dtype))
    torch.testing.assert_close(moved, torch.ones(2, 5, 4, 4, dtype=dtype))


def test_vectors_are_means_and_spread_out_again():
    x, v = torch.randn(2, 5, 4, 4), torch.randn(2, 5)
    torch.testing.assert_close(route(MAP, VECTOR)(x), x.mean((2, 3)))
    assert torch.equal(route(VECTOR, MAP)(v), v[:, :, None, None].expand(2, 5, 4, 4))
    for length in (7, 9, 10, 2):
        tokens = torch.randn(2, length, 5)
        torch.testing.assert_close(route(cut(NLC, length, 5), VECTOR)(tokens), tokens.mean(1))
        assert torch.equal(route(VECTOR, cut(NLC, length, 5))(v), v[:, None].expand(2, length, 5))


def test_the_class_token_goes_to_its_like_is_dropped_or_made_of_the_mean():
    plain, classed, longer = cut(NLC, 16, 5), cut(NLC, 17, 5), cut(NLC, 26, 5)
    x, t = torch.randn(2, 5, 4, 4), torch.randn(2, 17, 5)
    tokens = route(MAP, classed)(x)
    torch.testing.assert_close(tokens[:, 0], x.mean((2, 3)))
    assert torch.equal(tokens[:, 1:], x.flatten(2).transpose(1, 2))
    assert torch.equal(route(classed, MAP)(t), t[:, 1:].transpose(1, 2).unflatten(2, (4, 4)))
    assert torch.equal(route(classed, plain)(t), t[:, 1:])
    torch.testing.assert_close(route(plain, classed)(t[:, 1:])[:, 0], t[:, 1:].mean(1))
    assert torch.equal(route(classed, longer)(t)[:, 0], t[:, 0])


def test_extra_tokens_go_over_in_order_and_more_are_the_mean():
    one, five, three = (cut(NLC, 16 + k, 5, cells=(4, 4)) for k in (1, 5, 3))
    small = cut(NCL, 5, 4 + 3, cells=(2, 2))
    x, y = torch.randn(2, 17, 5), torch.randn(2, 21, 5)
    more, less = route(one, five)(x), route(five, one)(y)
    assert torch.equal(more[:, 0], x[:, 0])
    torch.testing.assert_close(more[:, 1:5], x[:, 1:].mean(1, keepdim=True).expand(-1, 4, -1))
    assert torch.equal(more[:, 5:], x[:, 1:])
    assert torch.equal(less, torch.cat([y[:, :1], y[:, 5:]], 1))
    assert torch.equal(route(five, three)(y), torch.cat([y[:, :3], y[:, 5:]], 1))
    assert torch.equal(route(five, MAP)(y).flatten(2), y[:, 5:].transpose(1, 2))
    assert torch.equal(route(five, small)(y)[:, :, :3], y[:, :3].transpose(1, 2))
    torch.testing.assert_close(route(five, VECTOR)(y), y.mean(1))


def test_a_grid_of_one_cell_is_the_mean_and_keeps_the_extra_tokens_apart():
    classed, one, cell = cut(NLC, 17, 5), cut(NLC, 2, 5, cells=(1, 1)), cut(NCHW, 5, 1, 1)
    t, v = torch.randn(2, 17, 5), torch.randn(2, 2, 5)
    torch.testing.assert_close(route(classed, one)(t), torch.stack([t[:, 0], t[:, 1:].mean(1)], 1))
    torch.testing.assert_close(route(classed, cell)(t)[:, :, 0, 0], t.mean(1))
    assert torch.equal(route(one, classed)(v), torch.cat([v[:, :1], v[:, 1:].expand(-1, 16, -1)], 1))
    torch.testing.assert_close(route(one, cell)(v)[:, :, 0, 0], v.mean(1))


def test_of_loose_tokens_only_the_order_counts():
    loose, longer, row = cut(NLC, 11, 5), cut(NLC, 23, 5), cut(NCHW, 5, 1, 11)
    x, y = torch.randn(2, 11, 5), torch.randn(2, 23, 5)
    lines = x.transpose(1, 2), y.transpose(1, 2)
    up = F.interpolate(lines[0], 23, mode="linear")
    down = F.interpolate(lines[1][:, :, None], (1, 11), mode="bilinear", antialias=True)
    torch.testing.assert_close(route(loose, longer)(x), up.transpose(1, 2))
    torch.testing.assert_close(route(longer, row)(y), down)
    assert torch.equal(route(loose, row)(x)[:, :, 0], lines[0])
    torch.testing.assert_close(route(loose, MAP)(x).flatten(2), F.interpolate(lines[0], 16, mode="linear"))
    classed = route(loose, cut(NLC, 17, 5))(x)
    torch.testing.assert_close(classed[:, 0], x.mean(1))
    torch.testing.assert_close(classed[:, 1:].transpose(1, 2), F.interpolate(lines[0], 16, mode="linear"))
    image = torch.randn(2, 5, 4, 4)
    assert torch.equal(route(MAP, cut(NLC, 2, 8, 5))(image).flatten(1, 2), image.flatten(2).transpose(1, 2))


def test_nested_tokens_are_tokens_in_order_and_get_their_shape_back():
    nested, flat, first = cut(NLC, 4, 9, 5), cut(NLC, 36, 5), cut(NCL, 5, 6, 6)
    x = torch.randn(2, 4, 9, 5)
    assert torch.equal(route(nested, flat)(x), x.flatten(1, 2))
    assert torch.equal(route(flat, nested)(x.flatten(1, 2)), x)
    assert torch.equal(route(nested, first)(x).flatten(2), x.flatten(1, 2).transpose(1, 2))
    torch.testing.assert_close(route(nested, VECTOR)(x), x.mean((1, 2)))


def test_none_keeps_the_grid_and_takes_any_other_at_run_time():
    small, large = cut(NCHW, 5, 4, 4), cut(NHWC, 7, 7, 5)
    x = torch.randn(2, 5, 9, 9)
    assert torch.equal(route(small, large, "none")(x), x.permute(0, 2, 3, 1))
    assert route(small, cut(NLC, 50, 5), "none")(x[:, :, :4, :4]).shape == (2, 17, 5)
    assert route(small, VECTOR, "none")(x).shape == (2, 5)
    tokens = torch.randn(2, 11, 5)
    assert route(cut(NLC, 11, 5), cut(NLC, 6, 5), "none")(tokens) is tokens
    assert fitting_route(small, large, "none") == route(small, large, "bilinear")
    one = cut(NCHW, 5, 1, 1)
    assert torch.equal(route(one, small, "none")(x), x)
    assert torch.equal(route(one, VECTOR, "none")(x), x.mean((2, 3)))


@pytest.mark.parametrize(
    ("source", "target", "shape"),
    [
        (cut(NLC, 17, 5), cut(NLC, 54, 5, cells=(7, 7)), (21, 5)),
        (cut(NLC, 17, 5), cut(NCHW, 5, 7, 7), (5, 4, 4)),
        (cut(NLC, 17, 5), cut(NLC, 11, 5), (17, 5)),
        (cut(NLC, 11, 5), cut(NLC, 17, 5), (12, 5)),
        (cut(NLC, 11, 5), cut(NCL, 5, 6), (5, 11)),
        (cut(NLC, 11, 5), MAP, (5, 4, 4)),
        (cut(NLC, 4, 9, 5), cut(NLC, 6, 4, 5), (4, 9, 5)),
        (cut(NLC, 4, 9, 5), cut(NLC, 11, 5), (36, 5)),
        (cut(NLC, 17, 5), cut(NLC, 4, 9, 5), (4, 9, 5)),
        (MAP, cut(NLC, 4, 9, 5), (4, 9, 5)),
        (MAP, cut(NLC, 11, 5), (16, 5)),
    ],
    ids=str,
)
def test_none_keeps_what_the_layout_can_hold_and_resamples_the_rest(source, target, shape):
    assert route(source, target, "none")(torch.randn(2, *source.shape)).shape == (2, *shape)


CUTS = [*EVERY, cut(NHWC, 2, 3, 5), cut(NCHW, 5, 1, 1), cut(NCHW, 5, 1, 6), cut(NLC, 17, 5), cut(NLC, 6, 5)]


@pytest.mark.parametrize(("source", "target"), list(product(CUTS, CUTS)), ids=str)
@pytest.mark.parametrize("resample", ["bilinear", "nearest"])
def test_moving_commutes_with_every_affine_map_of_the_channels(source, target, resample):
    path = route(source, target, resample)
    x = torch.randn(2, *source.shape, dtype=torch.float64)
    weight, bias = torch.randn(5, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)

    def mapped(z: torch.Tensor, layout: Layout) -> torch.Tensor:
        axis = 1 if layout in (NCHW, NCL) else -1
        return (z.movedim(axis, -1) @ weight.T + bias).movedim(-1, axis)

    moved_last, moved_first = path(mapped(x, source.layout)), mapped(path(x), target.layout)
    assert moved_first.shape == (2, *target.shape)
    torch.testing.assert_close(moved_last, moved_first)
