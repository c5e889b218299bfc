"""The kinds of adapter and their starts."""

from dataclasses import FrozenInstanceError

import pytest
import torch
from torch import nn

from suture.adapters import AdapterSpec, build
from suture.errors import AdapterError
from suture.spec.cut import Cut, Layout

NCHW, NHWC, NLC, NC = Layout.NCHW, Layout.NHWC, Layout.NLC, Layout.NC


def cut(layout: Layout, *shape: int) -> Cut:
    return Cut("here", layout, shape, None, 0, 0, 0, 0)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("source", "target", "model"),
    [
        (cut(NCHW, 6, 4, 4), cut(NCHW, 9, 4, 4), lambda: nn.Conv2d(6, 9, 1)),
        (cut(NC, 6), cut(NC, 9), lambda: nn.Linear(6, 9)),
    ],
)
def test_a_random_start_is_torchs_own(source, target, model, seed):
    adapter = build(AdapterSpec(start="random"), source, target, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected = model()
    assert torch.equal(adapter.map.weight, expected.weight)
    assert torch.equal(adapter.map.bias, expected.bias)


def test_an_eye_start_is_the_identity():
    here = cut(NCHW, 6, 4, 4)
    x = torch.randn(2, 6, 4, 4)
    torch.testing.assert_close(build(AdapterSpec(start="eye"), here, here)(x), x)


def test_an_eye_start_needs_equal_widths():
    with pytest.raises(AdapterError, match="6 channels on one side and 9 on the other") as caught:
        build(AdapterSpec(start="eye"), cut(NC, 6), cut(NC, 9))
    assert "least-squares" in caught.value.instead


def test_a_least_squares_start_is_zero_until_fitted():
    adapter = build(AdapterSpec(), cut(NC, 6), cut(NC, 9))
    assert not any(p.any() for p in adapter.parameters())


@pytest.mark.parametrize(
    ("source", "target", "shape"),
    [
        (cut(NCHW, 6, 4, 4), cut(NHWC, 8, 8, 9), (9, 6, 1, 1)),
        (cut(NCHW, 6, 4, 4), cut(NHWC, 2, 2, 9), (9, 6)),
        (cut(NHWC, 4, 4, 6), cut(NCHW, 9, 2, 2), (9, 6, 1, 1)),
        (cut(NCHW, 6, 4, 4), cut(NC, 9), (9, 6)),
        (cut(NLC, 16, 6), cut(NLC, 17, 9), (9, 6)),
    ],
)
def test_the_map_acts_where_there_are_fewer_positions(source, target, shape):
    adapter = build(AdapterSpec(start="random"), source, target)
    assert {k: tuple(v.shape) for k, v in adapter.state_dict().items()} == {
        "map.weight": shape,
        "map.bias": (9,),
    }
    assert adapter(torch.randn(2, *source.shape)).shape == (2, *target.shape)


def test_the_identity_is_exact():
    here = cut(NLC, 7, 6)
    x = torch.randn(2, 7, 6)
    adapter = build(AdapterSpec("identity"), here, here)
    assert adapter(x) is x
    assert not list(adapter.parameters())


def test_the_identity_joins_only_equal_shapes():
    for other in (cut(NCHW, 7, 4, 4), cut(NCHW, 6, 5, 5), cut(NHWC, 4, 4, 6)):
        with pytest.raises(AdapterError, match="the identity does not lead from") as caught:
            build(AdapterSpec("identity"), cut(NCHW, 6, 4, 4), other)
        assert "kind='linear'" in caught.value.instead
    build(AdapterSpec("identity", resample="none"), cut(NCHW, 6, 4, 4), cut(NCHW, 6, 5, 5))
    with pytest.raises(AdapterError):
        build(AdapterSpec("identity", resample="none"), cut(NCHW, 6, 4, 4), cut(NCHW, 7, 5, 5))


def test_a_spec_is_frozen_and_hashable():
    assert hash(AdapterSpec()) == hash(AdapterSpec("linear", "bilinear", "least-squares", 0.0))
    with pytest.raises(FrozenInstanceError):
        AdapterSpec().ridge = 1.0


@pytest.mark.parametrize(
    ("wrong", "instead"),
    [
        ({"kind": "liner"}, "kind='linear'"),
        ({"resample": "bilinaer"}, "resample='bilinear'"),
        ({"start": "least_squares"}, "start='least-squares'"),
        ({"ridge": -1.0}, "ridge=0.0"),
        ({"ridge": float("nan")}, "ridge=0.0"),
    ],
)
def test_a_wrong_spec_says_what_to_type(wrong, instead):
    with pytest.raises(AdapterError) as caught:
        AdapterSpec(**wrong)
    assert instead in caught.value.instead
    assert caught.value.expected


def test_an_adapter_prints_its_cuts():
    assert "here (NC 6) -> here (NC 9)" in repr(build(AdapterSpec(), cut(NC, 6), cut(NC, 9)))
