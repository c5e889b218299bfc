"""What a recording sees is what was there, in the graph of the pass."""

import torch
from torch import nn

from suture.graph import recording


def test_it_sees_inputs_and_outputs_and_goes_away():
    first, second = nn.Linear(3, 3), nn.Linear(3, 2)
    network = nn.Sequential(first, nn.ReLU(inplace=True), second)
    x = torch.randn(5, 3)
    with recording(inputs={"features": second}, outputs={"early": first}) as seen:
        network(x)
        torch.testing.assert_close(seen["early"], first(x))
        assert (seen["early"] < 0).any()
        torch.testing.assert_close(seen["features"], first(x).relu())
        (gradient,) = torch.autograd.grad(seen["early"].sum(), first.bias)
        torch.testing.assert_close(gradient, torch.full((3,), 5.0))
        seen.clear()
    network(x)
    assert not seen


def test_it_changes_no_answer():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    x = torch.randn(5, 3)
    wanted = network(x)
    with recording(outputs={"0": network[0], "2": network[2]}):
        assert torch.equal(network(x), wanted)
