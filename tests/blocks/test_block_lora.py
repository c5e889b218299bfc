"""``lora``: a low-rank change of the weight of one layer, and nothing else."""

import copy

import pytest
import torch
from timm.layers import Conv2dSame, StdConv2d
from torch import nn

from raising import raises
from suture.blocks import build
from suture.errors import PlanError
from suture.graph.surgery import Added, Patched
from suture.spec.cut import Layout

CONVOLUTIONS = {
    "plain": (nn.Conv2d(12, 18, 3, padding=1), 8),
    "strided": (nn.Conv2d(12, 18, 3, stride=2, padding=1, bias=False), 8),
    "patches": (nn.Conv2d(12, 18, 4, stride=4), 8),
    "dilated": (nn.Conv2d(12, 18, (3, 1), padding=(2, 0), dilation=2), 8),
    "same": (nn.Conv2d(12, 18, 5, padding="same", padding_mode="circular"), 8),
    "grouped": (nn.Conv2d(12, 18, 3, padding=1, groups=3), 6),
    "depthwise": (nn.Conv2d(12, 12, 3, padding=1, groups=12), 1),
    "pointwise": (nn.Conv2d(12, 4, 1), 4),
    "line": (nn.Conv1d(12, 18, 3, padding=1), 8),
    "tensorflow's": (Conv2dSame(12, 18, 3, stride=2), 8),
}


def wrapped(site, layer: nn.Module, shape: tuple[int, ...], **params):
    """A LoRA for a layer, with a B that is not zero, and its place."""
    x = torch.randn(3, *shape)
    layout = {1: Layout.NC, 2: Layout.NCL if isinstance(layer, nn.Conv1d) else Layout.NLC}.get(len(shape), Layout.NCHW)
    out = tuple(layer(x).shape[1:])
    block = build("lora", params, site(*out, operation="wrap", layer=layer, given=shape, layout=layout))
    assert torch.equal(block(x, layer(x)), layer(x))
    nn.init.normal_(block.B.weight)
    return block, x


@pytest.mark.parametrize("shape", [(12,), (5, 12), (4, 3, 12)])
def test_a_linear_layer_with_its_change_is_the_layer_with_the_merged_weight(site, shape):
    layer = nn.Linear(12, 10)
    block, x = wrapped(site, layer, shape, rank=3, alpha=6)
    assert sum(p.numel() for p in block.parameters()) == 3 * (12 + 10)
    change = 6 / 3 * block.B.weight @ block.A.weight
    assert torch.linalg.matrix_rank(change) == 3
    wanted = nn.functional.linear(x, layer.weight + change, layer.bias)
    torch.testing.assert_close(block(x, layer(x)), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_so_it_is_of_convolutions(site, name):
    layer, rank = copy.deepcopy(CONVOLUTIONS[name])
    block, x = wrapped(site, layer, (12, 8) if name == "line" else (12, 8, 8))
    down, up = block.A.weight, block.B.weight
    groups = layer.groups
    assert down.shape[0] == groups * rank  # what is asked for, or all that a group's weight can have
    change = torch.einsum("gor,grk->gok", up.reshape(groups, -1, rank), down.reshape(groups, rank, -1)).reshape_as(
        layer.weight
    )
    before = layer(x)
    found = block(x, before)
    with torch.no_grad():
        layer.weight += 16 / 8 * change
    torch.testing.assert_close(found, layer(x), rtol=1e-3, atol=1e-3)


def test_a_frozen_layer_stays_as_it_is_while_its_change_learns(site):
    layer = nn.Conv2d(12, 18, 3).requires_grad_(False)
    before = layer.weight.clone()
    x, target = torch.randn(4, 12, 6, 6), torch.randn(4, 18, 4, 4)
    block = build("lora", {}, site(18, 4, 4, operation="wrap", layer=layer, given=(12, 6, 6)))
    optimizer = torch.optim.SGD(block.parameters(), lr=0.01)
    losses = []
    for _ in range(5):
        loss = nn.functional.mse_loss(block(x, layer(x)), target)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses == sorted(losses, reverse=True)
    assert torch.equal(layer.weight, before)
    assert layer.weight.grad is None
    assert {name for name, p in block.named_parameters() if p.grad is not None} == {"A.weight", "B.weight"}


def test_dropout_is_of_what_the_change_reads(site):
    layer = nn.Linear(12, 10)
    block, x = wrapped(site, layer, (12,), dropout=0.5)
    block.train()
    assert not torch.equal(block(x, layer(x)), block(x, layer(x)))
    block.eval()
    assert torch.equal(block(x, layer(x)), block(x, layer(x)))


def test_a_standardised_convolution_gets_a_plain_change(site):
    layer = StdConv2d(12, 18, 3, padding=1)
    block, _ = wrapped(site, layer, (12, 6, 6))
    assert type(block.A) is nn.Conv2d


def test_a_layer_that_has_other_blocks_around_it(site):
    layer = nn.Linear(12, 10)
    patched = Patched(layer)
    patched.add(nn.Identity(), Added("se", "after"))
    place = site(10, operation="wrap", layer=patched, given=(12,), layout=Layout.NC)
    assert build("lora", {"rank": 2}, place).A.weight.shape == (2, 12)
    patched.add(nn.Linear(12, 10), Added("other", "instead"))
    with raises(PlanError, "lora around a Patched"):
        build("lora", {}, place)


class Cropping(nn.Conv2d):
    def forward(self, x):
        return super().forward(x)[:, :, 1:]


def test_other_layers_are_told_what_to_wrap(site):
    inside = nn.Sequential(*(nn.ModuleDict({"conv1": nn.Conv2d(4, 4, 3), "bn": nn.BatchNorm2d(4)}) for _ in range(2)))
    with raises(PlanError, "lora around a Sequential", '{"layer3.*.conv1": {"wrap": "lora"}}'):
        build("lora", {}, site(4, 4, 4, operation="wrap", layer=inside))
    with raises(PlanError, "lora around a BatchNorm2d", "suture layers MODEL"):
        build("lora", {}, site(4, 4, 4, operation="wrap", layer=nn.BatchNorm2d(4)))
    with raises(PlanError, "to inject lora", '{"layer3": {"wrap": "lora"}}'):
        build("lora", {}, site(4, 4, 4, layer=nn.Conv2d(4, 4, 1)))
    with raises(PlanError, "a Cropping", "pads in its own way"):
        build("lora", {}, site(4, 5, 6, operation="wrap", layer=Cropping(4, 4, 3, padding=1), given=(4, 6, 6)))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"rank": 0}, "greater than or equal to 1"),
        ({"rank": -1}, "rank=8"),
        ({"rank": 2.5}, "integer"),
        ({"alpha": 0}, "greater than 0"),
        ({"dropout": 1.0}, "less than 1"),
        ({"r": 4}, "rank=4"),
    ],
)
def test_values_that_cannot_be(site, params, words):
    with raises(PlanError, words):
        build("lora", params, site(4, operation="wrap", layer=nn.Linear(4, 4), layout=Layout.NC))
