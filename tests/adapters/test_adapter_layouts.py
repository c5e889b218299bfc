"""Layouts and routes: canonical and back, commuting with the channel map, and what does not fit together."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from suture.adapters.layouts import Frame, frame_of, from_grid, to_grid, to_rows
from suture.adapters.route import fitting_route, route
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NC


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


VECTOR, MAP = cut(NC, 5), cut(NCHW, 5, 4, 4)


@pytest.mark.parametrize(
    ("of", "other", "frame"),
    [
        (cut(NCHW, 5, 3, 7), VECTOR, Frame((3, 7))),
        (cut(NHWC, 3, 7, 5), VECTOR, Frame((3, 7))),
        (VECTOR, MAP, Frame((1, 1))),
        (cut(NLC, 49, 5), VECTOR, Frame((7, 7))),
        (cut(NLC, 50, 5), VECTOR, Frame((7, 7), token=True)),
        (cut(NLC, 1, 5), VECTOR, Frame((1, 1))),
        (cut(NLC, 12, 5), VECTOR, Frame((12, 1), loose=True)),
        (cut(NLC, 12, 5), cut(NCHW, 5, 3, 4), Frame((3, 4))),
        (cut(NLC, 13, 5), cut(NHWC, 3, 4, 5), Frame((3, 4), token=True)),
        (cut(NLC, 16, 5), cut(NCHW, 5, 3, 5), Frame((3, 5), token=True)),
    ],
)
def test_the_frame_of_a_cut(of, other, frame):
    assert frame_of(of, other) == frame


@pytest.mark.parametrize("of", [MAP, cut(NHWC, 3, 4, 5), cut(NLC, 9, 5), cut(NLC, 10, 5), cut(NLC, 7, 5), VECTOR])
def test_to_grid_and_back_is_the_activation(of):
    x = torch.randn(2, *of.shape)
    frame = frame_of(of, of)
    grid, token = to_grid(x, of.layout, frame)
    assert grid.shape == (2, 5, *frame.grid)
    assert (token is not None) == frame.token
    torch.testing.assert_close(from_grid(grid, token, of.layout), x, rtol=0, atol=0)


def test_rows_are_positions_in_reading_order_with_the_class_token_first():
    x = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    tokens = x.flatten(2).transpose(1, 2)
    assert torch.equal(to_rows(x, NCHW), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x.permute(0, 2, 3, 1), NHWC), tokens.reshape(8, 3))
    assert torch.equal(to_rows(tokens, NLC), tokens.reshape(8, 3))
    assert torch.equal(to_rows(x[:, :, 0, 0], NC), x[:, :, 0, 0])


def test_equal_cuts_move_nothing():
    for of in (MAP, VECTOR, cut(NLC, 7, 5), cut(NLC, 10, 5)):
        x = torch.randn(2, *of.shape)
        assert route(of, of)(x) is x


def test_maps_enlarge_bilinearly_and_shrink_with_antialiasing():
    small, large = cut(NCHW, 5, 4, 4), cut(NCHW, 5, 7, 7)
    x, big = torch.randn(2, 5, 4, 4), torch.randn(2, 5, 7, 7)
    torch.testing.assert_close(route(small, large)(x), F.interpolate(x, (7, 7), mode="bilinear"))
    torch.testing.assert_close(route(large, small)(big), F.interpolate(big, (4, 4), mode="bilinear", antialias=True))
    torch.testing.assert_close(route(small, large, "nearest")(x), F.interpolate(x, (7, 7), mode="nearest-exact"))


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


def test_none_keeps_the_grid_and_takes_any_other_at_run_time():
    small, large = cut(NCHW, 5, 4, 4), cut(NHWC, 7, 7, 5)
    x = torch.randn(2, 5, 9, 9)
    assert torch.equal(route(small, large, "none")(x), x.permute(0, 2, 3, 1))
    assert route(small, cut(NLC, 50, 5), "none")(x[:, :, :4, :4]).shape == (2, 17, 5)
    assert route(small, VECTOR, "none")(x).shape == (2, 5)
    tokens = torch.randn(2, 11, 5)
    assert route(cut(NLC, 11, 5), cut(NLC, 6, 5), "none")(tokens) is tokens
    assert fitting_route(small, large, "none") == route(small, large, "bilinear")


CUTS = [cut(NCHW, 5, 4, 4), cut(NHWC, 2, 3, 5), cut(NLC, 9, 5), cut(NLC, 17, 5), VECTOR]
PAIRS = [*product(CUTS, CUTS), (cut(NLC, 6, 5), CUTS[1]), (CUTS[1], cut(NLC, 7, 5)), (VECTOR, cut(NLC, 7, 5))]


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=str)
@pytest.mark.parametrize("resample", ["bilinear", "nearest"])
def test_moving_commutes_with_every_affine_map_of_the_channels(source, target, resample):
    path = route(source, target, resample)
    x = torch.randn(2, *source.shape, dtype=torch.float64)
    weight, bias = torch.randn(5, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    axes = {NCHW: "nchw,dc->ndhw", NHWC: "nhwc,dc->nhwd", NLC: "nlc,dc->nld", NC: "nc,dc->nd"}

    def mapped(z: torch.Tensor, layout: Layout) -> torch.Tensor:
        shift = bias[:, None, None] if layout is NCHW else bias
        return torch.einsum(axes[layout], z, weight) + shift

    moved_last, moved_first = path(mapped(x, source.layout)), mapped(path(x), target.layout)
    assert moved_first.shape == (2, *target.shape)
    torch.testing.assert_close(moved_last, moved_first)


def test_loose_tokens_meet_only_as_many_tokens():
    with pytest.raises(AdapterError, match=r"no grid leads from here \(NLC 7x5\) to here \(NCHW 5x4x4\)") as caught:
        route(cut(NLC, 7, 5), MAP)
    assert "--at" in caught.value.instead
    with pytest.raises(AdapterError):
        fitting_route(cut(NLC, 11, 5), cut(NLC, 6, 5), "none")


def test_a_source_reaches_one_frame_by_one_route():
    """PairFits moves each source once a frame, which rests on this."""
    grids = [(h, w) for h in range(1, 6) for w in range(1, 6)]
    targets = [cut(NCHW, 5, *g) for g in grids] + [cut(NLC, n, 5) for n in range(1, 28)] + [VECTOR]
    for source in targets:
        frames = {}
        for target in targets:
            try:
                path = route(source, target)
            except AdapterError:
                continue
            assert frames.setdefault(path.target_frame, path.frame) == path.frame
