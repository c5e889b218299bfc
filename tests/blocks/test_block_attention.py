"""Blocks that weigh channels and cells: their sizes, and what they compute, against formulas written out here."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from raising import raises
from suture.blocks import build
from suture.errors import PlanError
from suture.graph.frames import Frame
from suture.spec.cut import Layout

C = 12


def size(block: nn.Module) -> int:
    return sum(p.numel() for p in block.parameters())


def tensors(block: nn.Module) -> list[torch.Tensor]:
    return list(block.parameters())


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, C, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "channels", "wanted"),
    [
        ("se", 256, 8464),
        ("se", 2048, 526464),
        ("cbam_block", 256, 8290),
        ("cbam_block", 2048, 524386),
        ("eca", 64, 3),
        ("eca", 256, 5),
        ("channel_attention", 256, 8192),
        ("spatial_attention", 256, 98),
        ("simam", 256, 0),
        ("drop_path", 256, 0),
        ("layer_scale", 256, 256),
        ("gem", 256, 1),
        ("coord_attention", 256, 8 * (256 + 2) + 2 * 8 * 256),
        ("gc", 256, 257 + 16 * 257 + 2 * 16 + 256 * 17),
        ("non_local", 256, 3 * 128 * 257 + 256 * 129 + 2 * 256),
    ],
)
def test_sizes(site, kind, channels, wanted):
    assert size(build(kind, {}, site(channels, 7, 7))) == wanted


def test_se(site, x):
    block = build("se", {"reduction": 4}, site(C, 6, 5))
    w1, b1, w2, b2 = (t.flatten(1) if t.ndim > 1 else t for t in tensors(block))
    hidden = F.relu(x.mean((2, 3)) @ w1.T + b1)
    assert hidden.shape == (3, 3)
    wanted = x * torch.sigmoid(hidden @ w2.T + b2)[:, :, None, None]
    torch.testing.assert_close(block(x), wanted)


def test_cbam_is_channel_attention_and_then_spatial_attention(site, x):
    block = build("cbam_block", {"reduction": 4, "spatial_kernel": 3}, site(C, 6, 5))
    w1, w2, w3 = tensors(block)

    def hidden(v: torch.Tensor) -> torch.Tensor:
        return F.relu(v @ w1.flatten(1).T) @ w2.flatten(1).T

    weighed = x * torch.sigmoid(hidden(x.mean((2, 3))) + hidden(x.amax((2, 3))))[:, :, None, None]
    seen = torch.stack([weighed.mean(1), weighed.amax(1)], 1)
    torch.testing.assert_close(block(x), weighed * torch.sigmoid(F.conv2d(seen, w3, padding=1)))
    channel = build("channel_attention", {"reduction": 4}, site(C, 6, 5))
    channel.load_state_dict(block.channel.state_dict())
    torch.testing.assert_close(channel(x), weighed)
    spatial = build("spatial_attention", {"kernel_size": 3}, site(C, 6, 5))
    spatial.load_state_dict(block.spatial.state_dict())
    torch.testing.assert_close(spatial(weighed), block(x))


@pytest.mark.parametrize(("channels", "given", "kernel"), [(8, None, 3), (64, None, 3), (512, None, 5), (12, 7, 7)])
def test_eca_is_a_convolution_over_neighbouring_channels(site, channels, given, kernel):
    block = build("eca", {"kernel_size": given}, site(channels, 4, 4))
    (weight,) = tensors(block)
    assert weight.shape == (1, 1, kernel)
    x = torch.randn(2, channels, 4, 4)
    weights = torch.sigmoid(F.conv1d(x.mean((2, 3))[:, None], weight, padding=kernel // 2))
    torch.testing.assert_close(block(x), x * weights[:, 0, :, None, None])


def test_coord_attention(site, x):
    block = build("coord_attention", {}, site(C, 6, 5)).eval()
    w1, scale, shift, wh, ww = tensors(block)
    nn.init.normal_(scale)
    nn.init.normal_(shift)

    def hidden(v: torch.Tensor) -> torch.Tensor:
        mixed = torch.einsum("oc,ncp->nop", w1.flatten(1), v)
        return F.hardswish(mixed / (1 + block.bn1.eps) ** 0.5 * scale[:, None] + shift[:, None])

    rows = torch.sigmoid(torch.einsum("co,nop->ncp", wh.flatten(1), hidden(x.mean(3))))
    columns = torch.sigmoid(torch.einsum("co,nop->ncp", ww.flatten(1), hidden(x.mean(2))))
    torch.testing.assert_close(block(x), x * rows[:, :, :, None] * columns[:, :, None, :])


def test_gc_adds_one_weighted_mean_to_every_cell(site, x):
    block = build("gc", {"reduction": 4}, site(C, 6, 5))
    torch.testing.assert_close(block(x), x, rtol=0, atol=0)
    for t in tensors(block):
        nn.init.normal_(t)
    wa, ba, w1, b1, scale, shift, w2, b2 = (t.flatten(1) if t.ndim > 1 else t for t in tensors(block))
    cells = x.flatten(2)
    context = (cells * torch.softmax(wa @ cells + ba[:, None], -1)).sum(-1)
    hidden = F.relu(F.layer_norm(context @ w1.T + b1, (8,), scale, shift, eps=1e-6))
    wanted = x + (hidden @ w2.T + b2)[:, :, None, None]
    torch.testing.assert_close(block(x), wanted)


def test_simam_is_the_energy_of_the_paper(site, x):
    """1 / e of equation 5, with the variance over the other cells: x · σ(1 / e) as its authors' code has it."""
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True)
    energy = 4 * (variance + 1e-4) / ((x - mean) ** 2 + 2 * variance + 2e-4)
    torch.testing.assert_close(build("simam", {}, site(C, 6, 5))(x), x * torch.sigmoid(1 / energy))


def test_non_local_is_attention_over_all_cells(site, x):
    block = build("non_local", {"reduction": 1}, site(16, 6, 5)).eval()
    x = torch.cat([x, x[:, :4]], 1)
    assert torch.equal(block(x), x)
    nn.init.normal_(block.norm.weight)
    query, key, value = (f(x).flatten(2).transpose(1, 2) for f in (block.t, block.p, block.g))
    gathered = F.scaled_dot_product_attention(query, key, value, scale=16**-0.5)
    wanted = x + block.norm(block.z(gathered.transpose(1, 2).unflatten(2, (6, 5))))
    torch.testing.assert_close(block(x), wanted)


def test_gem_lies_between_the_mean_and_the_maximum(site):
    x = torch.rand(3, C, 6, 5) + 0.5
    place = site(C, 6, 5, operation="replace", out=(C, 1, 1))
    pooled = [build("gem", {"p": p}, place)(x) for p in (1, 3, 100.0)]
    assert pooled[0].shape == (3, C, 1, 1)
    torch.testing.assert_close(pooled[0], x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(pooled[1], F.lp_pool2d(x, 3.0, (6, 5)) / 30 ** (1 / 3))
    torch.testing.assert_close(pooled[2], x.amax((2, 3), keepdim=True), rtol=0.04, atol=0)


def test_gem_in_the_place_of_a_pooling_that_flattens_gives_vectors(site):
    x = torch.rand(3, C, 6, 5)
    wanted = build("gem", {}, site(C, 6, 5, out=(C, 1, 1)))(x).flatten(1)
    assert torch.equal(build("gem", {}, site(C, 6, 5, operation="replace", out=(C,)))(x), wanted)
    last = site(6, 5, C, operation="replace", out=(C,), layout=Layout.NHWC)
    torch.testing.assert_close(build("gem", {}, last)(x.permute(0, 2, 3, 1)), wanted)


@pytest.mark.parametrize("kind", ["se", "eca", "channel_attention", "gc", "simam", "non_local"])
def test_class_tokens_are_cells_to_blocks_to_which_all_cells_are_alike(site, kind):
    block = build(kind, {}, site(C, 31, 1)).eval()
    tokens = build(kind, {}, site(31, C, layout=Layout.NLC, frame=Frame((6, 5), extra=1))).eval()
    for mine, theirs in zip(tensors(tokens), tensors(block), strict=True):
        mine.data.copy_(theirs)
    x = torch.randn(3, 31, C)
    torch.testing.assert_close(tokens(x), block(x.mT.unsqueeze(-1)).squeeze(-1).mT)
    assert tokens(torch.randn(3, 7, C)).shape == (3, 7, C)


@pytest.mark.parametrize("kind", ["spatial_attention", "cbam_block", "layer_scale", "coord_attention"])
def test_the_same_weights_do_the_same_in_every_layout(site, kind, x):
    block = build(kind, {}, site(C, 6, 5)).eval()
    tokens = site(31, C, layout=Layout.NLC, frame=Frame((6, 5), extra=1))
    last = site(6, 5, C, layout=Layout.NHWC)
    first = torch.randn(3, 1, C)
    for place, given in (
        (last, x.permute(0, 2, 3, 1)),
        (tokens, torch.cat([first, x.flatten(2).transpose(1, 2)], 1)),
    ):
        other = build(kind, {}, place).eval()
        for mine, theirs in zip(tensors(other), tensors(block), strict=True):
            mine.data.copy_(theirs)
        wanted = block(x).permute(0, 2, 3, 1)
        if place is tokens:
            # A class token has no place in a map: it passes by, except where every token is scaled.
            kept = first * (block.gamma if kind == "layer_scale" else 1)
            wanted = torch.cat([kept, wanted.flatten(1, 2)], 1)
        torch.testing.assert_close(other(given), wanted)


def test_where_there_is_nothing_to_compare(site):
    for kind in ("gc", "simam", "non_local", "gem"):
        with raises(PlanError, kind, "a vector"):
            build(kind, {}, site(C, layout=Layout.NC))
    loose = site(30, C, layout=Layout.NLC, frame=Frame((30, 1), loose=True))
    for kind in ("spatial_attention", "cbam_block", "coord_attention", "conv_bn_act", "mbconv", "bottleneck"):
        with raises(PlanError, kind, "a vector"):
            build(kind, {}, site(C, layout=Layout.NC))
        with raises(PlanError, kind, "no known grid"):
            build(kind, {}, loose)
