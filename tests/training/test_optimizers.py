"""The optimizer of a stage does what torch's plain one does, however the parameters lie in memory."""

import pytest
import torch
from torch import nn

from suture.spec.stage import Stage
from suture.training import Moving
from suture.training.optimizers import optimizer_of

PLAIN = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def stepped(make, layout: torch.memory_format) -> torch.Tensor:
    """A weight after three steps with gradients that lie as in memory's first order, whatever the weight's."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(4, 8, 3, bias=False)
    layer.weight.data = torch.randn(8, 4, 3, 3, generator=generator).to(memory_format=layout)
    optimizer = make(layer)
    for _ in range(3):
        layer.weight.grad = torch.randn(8, 4, 3, 3, generator=generator)
        optimizer.step()
    return layer.weight.detach()


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_its_steps_are_those_of_the_plain_optimizer(kind, layout):
    stage = Stage(moves=("all",), optimizer=kind, lr=1e-2, weight_decay=0.1)
    own = stepped(lambda layer: optimizer_of(stage, Moving([layer])), layout)
    plain = PLAIN[kind]
    wanted = stepped(lambda layer: plain(layer.parameters(), 1e-2, weight_decay=0.1, foreach=False), layout)
    torch.testing.assert_close(own, wanted, rtol=0, atol=1e-6)


def test_what_lies_in_order_is_stepped_in_one_pass():
    layer = nn.Conv2d(4, 8, 3)
    stage = Stage(moves=("all",), optimizer="adamw")
    assert optimizer_of(stage, Moving([layer])).defaults["fused"]
    assert not optimizer_of(stage, Moving([layer.to(memory_format=torch.channels_last)])).defaults["fused"]
