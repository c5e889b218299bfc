"""What ``check`` and ``build`` say of kinds, parameters and places."""

import pytest
import torch

from raising import raises
from suture.blocks import IdentityStart, OnGrid, build, check, parameters_of
from suture.errors import PlanError
from suture.graph.frames import Frame
from suture.spec.cut import Layout


def test_an_unknown_kind_is_answered_with_the_nearest():
    for ask in (parameters_of, lambda kind: check(kind, {})):
        with raises(PlanError, "there is no block 'cbam'", "cbam_block"):
            ask("cbam")


def test_parameters_are_told_in_order():
    assert parameters_of("cbam_block") == {"reduction": 16, "spatial_kernel": 7}
    assert list(parameters_of("lora").items()) == [("rank", 8), ("alpha", 16.0), ("dropout", 0.0)]
    assert parameters_of("bottleneck") == {"channels": None, "stride": None}


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("se", {"reduction": 0}, ("se with reduction=0", "greater than or equal to 1", "reduction=16")),
        ("se", {"reduction": 2.0}, ("integer",)),
        ("se", {"reduction": None}, ("integer",)),
        ("eca", {"kernel_size": 4}, ("kernel_size=4", "odd", "eca without kernel_size")),
        ("spatial_attention", {"kernel_size": 6}, ("odd", "kernel_size=7")),
        ("gem", {"p": 0}, ("greater than 0", "p=3.0")),
        ("gem", {"p": float("inf")}, ("finite",)),
        ("simam", {"e_lambda": -1.0}, ("greater than 0",)),
        ("conv_bn_act", {"activation": 3}, ("'relu'",)),
        ("conv_bn_act", {"stride": 0}, ("greater than or equal to 1", "conv_bn_act without stride")),
        ("gem", {"q": 1}, ("gem has no parameter 'q'", "p=3.0")),
    ],
)
def test_values_that_cannot_be(kind, params, words):
    with raises(PlanError, *words):
        check(kind, params)


def test_whole_numbers_stand_for_themselves_where_any_number_can_be(site):
    assert build("gem", {"p": 2}, site(6, 4, 4)).p == 2


def test_a_block_for_maps_meets_other_layouts_through_their_grid(site):
    tokens = site(13, 6, layout=Layout.NLC, frame=Frame((4, 3), extra=1))
    block = build("cbam_block", {}, tokens, identity_start=True)
    assert isinstance(block, IdentityStart)
    assert isinstance(block.block, OnGrid)
    assert "NLC" in repr(block)
    nested = site(3, 4, 6, layout=Layout.NLC, frame=Frame((12, 1), loose=True, nest=(3, 4)))
    assert build("se", {}, nested)(torch.randn(2, 3, 4, 6)).shape == (2, 3, 4, 6)
