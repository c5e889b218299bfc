"""``drop_path`` and ``layer_scale``: in a residual branch, and around a whole layer."""

import pytest
import torch
from torch import nn

from raising import raises
from suture.blocks import build
from suture.errors import PlanError
from suture.graph.frames import Frame
from suture.spec.cut import Layout

PLACES = {
    Layout.NCHW: (6, 4, 3),
    Layout.NHWC: (4, 3, 6),
    Layout.NLC: (13, 6),
    Layout.NCL: (6, 12),
    Layout.NC: (6,),
}


@pytest.mark.parametrize("layout", PLACES)
def test_drop_path_drops_whole_images_and_keeps_the_mean(site, layout):
    """Class tokens too: what is dropped of an image is all of it."""
    place = site(*PLACES[layout], layout=layout, frame=Frame((4, 3), extra=1) if layout is Layout.NLC else None)
    block = build("drop_path", {"p": 0.25}, place)
    x = torch.ones(4000, *PLACES[layout])
    torch.manual_seed(0)
    dropped = block.train()(x).flatten(1)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    torch.testing.assert_close(dropped.unique(), torch.tensor([0, 4 / 3]))
    assert abs(dropped[:, 0].mean() - 1) < 0.03  # 3.3 standard errors
    assert torch.equal(block.eval()(x), x)


def test_around_a_layer_it_is_the_layer_that_is_passed_by(site):
    block = build("drop_path", {"p": 0.5}, site(6, 4, 3, operation="wrap", layer=nn.Conv2d(6, 6, 1)))
    x, y = torch.randn(100, 6, 4, 3), torch.randn(100, 6, 4, 3)
    torch.manual_seed(0)
    found = block.train()(x, y)
    passed = torch.isclose(found, x).flatten(1).all(1)
    assert 30 < passed.sum() < 70
    torch.testing.assert_close(found[~passed], (x + 2 * (y - x))[~passed])
    assert torch.equal(block.eval()(x, y), y)


def test_never_dropping_changes_nothing(site):
    x, y = torch.randn(5, 6, 4, 3), torch.randn(5, 6, 4, 3)
    block = build("drop_path", {"p": 0}, site(6, 4, 3, operation="wrap"))
    torch.testing.assert_close(block.train()(x, y), y)


@pytest.mark.parametrize("layout", PLACES)
def test_layer_scale_scales_every_channel(site, layout):
    shape = PLACES[layout]
    x, y = torch.randn(2, *shape), torch.randn(2, *shape)
    frame = Frame((4, 3), extra=1) if layout is Layout.NLC else None
    axis = 1 if layout in (Layout.NCHW, Layout.NCL) else -1
    block = build("layer_scale", {"init": 0.5}, site(*shape, layout=layout, frame=frame))
    assert torch.equal(block.gamma, torch.full((6,), 0.5))
    nn.init.normal_(block.gamma)
    wanted = (x.movedim(axis, -1) * block.gamma).movedim(-1, axis)
    torch.testing.assert_close(block(x), wanted)
    around = build("layer_scale", {}, site(*shape, layout=layout, frame=frame, operation="wrap"))
    torch.testing.assert_close(around(x, y), x, atol=1e-3, rtol=0)
    around.scale.gamma.data.copy_(block.gamma)
    wanted = x + ((y - x).movedim(axis, -1) * block.gamma).movedim(-1, axis)
    torch.testing.assert_close(around(x, y), wanted)


@pytest.mark.parametrize("kind", ["drop_path", "layer_scale"])
def test_a_layer_that_changes_the_shape_has_no_such_change(site, kind):
    with raises(PlanError, kind, "6x4x3", "takes 3x8x6", f"inject {kind} after the last layer of a residual branch"):
        build(kind, {}, site(6, 4, 3, operation="wrap", given=(3, 8, 6)))
    assert build(kind, {}, site(6, 4, 3, operation="inject", given=(3, 8, 6)))


def test_values_that_cannot_be(site):
    with raises(PlanError, "drop_path with p=1.0", "less than 1", "p=0.1"):
        build("drop_path", {"p": 1.0}, site(6, 4, 3))
    with raises(PlanError, "layer_scale with init=inf", "finite"):
        build("layer_scale", {"init": float("inf")}, site(6, 4, 3))
