"""Blocks of convolutions, against the layers of torchvision's networks that they are made after."""

import pytest
import torch
from torch import nn
from torchvision.models import efficientnet_b0, mobilenet_v3_small, resnet50, resnext50_32x4d

from raising import raises
from suture.blocks import build
from suture.errors import PlanError
from suture.spec.cut import Layout


def same(block: nn.Module, layer: nn.Module, x: torch.Tensor) -> None:
    """With the layer's weights the block computes what the layer does."""
    block.load_state_dict(layer.state_dict(), strict=True)
    torch.testing.assert_close(block.eval()(x), layer.eval()(x))


@pytest.mark.parametrize(("number", "shape"), [(0, (256, 9, 8)), (1, (512, 5, 4))])
def test_bottleneck_is_the_block_of_resnet50(site, number, shape):
    layer = resnet50(weights=None).layer2[number]
    x = torch.randn(2, *shape)
    place = site(*shape, operation="replace", layer=layer, out=tuple(layer.eval()(x).shape[1:]))
    block = build("bottleneck", {}, place)
    names = [name.replace("downsample.", "") for name in block.state_dict()]
    assert names == [name.replace("downsample.", "") for name in layer.state_dict()]
    same(block, layer, x)


@pytest.mark.parametrize(("at", "shape", "kernel"), [((2, 0), (16, 12, 11), 3), ((3, 1), (40, 7, 7), 5)])
def test_mbconv_is_the_block_of_efficientnet(site, at, shape, kernel):
    layer = efficientnet_b0(weights=None).features[at[0]][at[1]]
    x = torch.randn(2, *shape)
    place = site(*shape, operation="replace", layer=layer, out=tuple(layer.eval()(x).shape[1:]))
    same(build("mbconv", {"kernel_size": kernel}, place), layer, x)


def test_mbconv_keeps_widths_that_are_no_multiples_of_eight(site):
    block = build("mbconv", {"expand_ratio": 2}, site(21, 6, 6))
    assert block(torch.randn(2, 21, 6, 6)).shape == (2, 21, 6, 6)
    assert block.use_res_connect


def test_conv_bn_act_is_the_first_layer_of_mobilenet(site):
    layer = mobilenet_v3_small(weights=None).features[0]
    layer[1] = nn.BatchNorm2d(16)  # its own has another epsilon
    place = site(3, 17, 16, operation="replace", layer=layer, out=(16, 9, 8))
    same(build("conv_bn_act", {"activation": "hardswish"}, place), layer, torch.randn(2, 3, 17, 16))


@pytest.mark.parametrize("kind", ["conv_bn_act", "mbconv", "bottleneck"])
def test_a_replacement_gives_what_the_layer_gave(site, kind):
    for rows, out in ((8, 4), (7, 4), (2, 1), (1, 1)):
        shape, wanted = (12, rows, rows), (20, out, out)
        block = build(kind, {}, site(*shape, operation="replace", out=wanted))
        assert block.eval()(torch.randn(2, *shape)).shape[1:] == wanted
    last = site(8, 8, 12, operation="replace", out=(4, 4, 20), layout=Layout.NHWC)
    assert build(kind, {}, last)(torch.randn(2, 8, 8, 12)).shape[1:] == (4, 4, 20)


@pytest.mark.parametrize(
    ("layer", "kernel"),
    [
        (nn.Conv2d(3, 8, 3), 3),  # no padding
        (nn.Conv2d(3, 8, 4, 4), 4),  # patches
        (nn.Conv2d(3, 8, 7, 2, 3), 5),
        (nn.MaxPool2d(2, 2), 2),
    ],
)
def test_conv_bn_act_pads_so_that_it_fits(site, layer, kernel):
    x = torch.randn(2, 3, 20, 16)
    wanted = tuple(layer(x).shape[1:])
    place = site(3, 20, 16, operation="replace", layer=layer, out=wanted)
    assert build("conv_bn_act", {"kernel_size": kernel}, place)(x).shape[1:] == wanted


@pytest.mark.parametrize("kind", ["conv_bn_act", "mbconv", "bottleneck"])
def test_channels_and_stride_may_be_asked_for(site, kind):
    block = build(kind, {"channels": 24, "stride": 2}, site(12, 8, 8))
    assert block(torch.randn(2, 12, 8, 8)).shape == (2, 24, 4, 4)


def test_groups(site):
    layer = resnext50_32x4d(weights=None).layer1[0]
    block = build("conv_bn_act", {"groups": 32}, site(128, 5, 5))
    assert block[0].weight.shape == layer.conv2.weight.shape
    with raises(PlanError, "groups=5 from 12 to 12 channels at layer3 (NCHW 12x4x4)"):
        build("conv_bn_act", {"groups": 5}, site(12, 4, 4))


def test_a_vector_can_have_a_convolution_of_one_cell(site):
    block = build("conv_bn_act", {"kernel_size": 1, "activation": "none"}, site(12, layout=Layout.NC))
    assert block(torch.randn(4, 12)).shape == (4, 12)


def test_what_cannot_be_is_said(site):
    with raises(PlanError, "bottleneck of 10 channels", "a multiple of 4"):
        build("bottleneck", {}, site(10, 4, 4))
    with raises(PlanError, "mbconv with stride=4", "a stride of 1 or 2"):
        build("mbconv", {"stride": 4}, site(12, 4, 4))
    with raises(PlanError, "conv_bn_act with activation='rely'", "'relu'"):
        build("conv_bn_act", {"activation": "rely"}, site(12, 4, 4))
