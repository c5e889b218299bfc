"""The ladder: each rung forced by a network that needs it, and what each rung refuses."""

import random

import pytest
import torch
from torch import Tensor, nn

from graph.networks import Decides, Shapely, Tiny
from suture.errors import CutError, TraceError
from suture.graph import trace


def test_control_flow_on_shapes_needs_export() -> None:
    traced = trace(Shapely(), torch.rand(2, 3, 12, 12))
    assert traced.tracer == "export"
    assert "control flow" in (traced.why or "")
    assert [cut.name for cut in traced.cuts()] == ["tail.1", "relu@1", "relu"]
    fine = [cut.name for cut in traced.cuts(fine=True)]
    assert fine == ["conv1", "bn1", "tail.0", "tail.1", "conv2@1", "relu@1", "conv2", "relu", "mean", "view"]
    assert traced.find("tail").name == "tail.1"
    assert traced.macs == 8 * 8 * 4 * 4 * 9 + 10 * 10 * 4 * 3 * 9 + 6 * 6 * 4 * 4 * 9 + 8
    assert traced.parameters == sum(parameter.numel() for parameter in Shapely().parameters())


def test_control_flow_on_values_needs_module_order(capfd: pytest.CaptureFixture[str]) -> None:
    traced = trace(Decides(), torch.rand(2, 3, 12, 12))
    assert traced.tracer == "hooks"
    assert "fx: " in (traced.why or "")
    assert "export: " in (traced.why or "")
    assert [cut.name for cut in traced.cuts()] == ["stem.2", "act"]
    assert [cut.name for cut in traced.cuts(fine=True)] == ["stem.0", "stem.1", "stem.2", "conv2", "act"]
    cut = traced.find("act")
    assert cut.params_before == 3 * 4 * 9 + 4 + 8 + 4 * 4 * 9 + 4
    assert cut.macs_before == 10 * 10 * 4 * 3 * 9 + 8 * 8 * 4 * 4 * 9
    assert cut.stride == 1.5
    assert capfd.readouterr() == ("", "")


def test_both_ways_of_a_decision_are_left_to_the_decoder() -> None:
    network = Decides().eval()
    encoder, decoder = trace(network, torch.rand(2, 3, 12, 12)).split("act")
    for scale in (-9.0, 0.0, 1.0, 9.0):
        images = scale * torch.rand(2, 3, 12, 12)
        assert torch.equal(decoder(encoder(images)), network(images))
    assert "forward" not in network.stem[0].__dict__


class Skips(nn.Module):
    """A shortcut around the second module, and a decision: the chain alone does not show the shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(4, 4, 1)
        self.three = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        y = self.three(self.two(x) + x)
        return (y if y.mean().item() > 0 else -y).mean((2, 3))


def test_module_order_is_tried_out_before_it_is_believed() -> None:
    traced = trace(Skips(), torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    assert [cut.name for cut in traced.cuts(fine=True)] == ["one"]
    with pytest.raises(CutError, match="something earlier is still needed after two"):
        traced.find("two")


class Tempered(nn.Module):
    """Skips a module at random in train mode: a trace would skip it always or never."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3)
        self.two = nn.Conv2d(4, 4, 1)
        self.three = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        if not self.training or random.random() < 0.5:
            x = self.two(x)
        return self.three(x).mean((2, 3))


def test_a_trace_never_keeps_a_random_number() -> None:
    network = Tempered()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    assert "random numbers" in (traced.why or "")
    assert [cut.name for cut in traced.cuts(fine=True)] == ["one"]
    encoder, decoder = traced.split("one")
    network.train()
    images = torch.rand(2, 3, 8, 8)
    for seed in range(6):
        random.seed(seed)
        wanted = network(images)
        random.seed(seed)
        assert torch.equal(decoder(encoder(images)), wanted)


class Twofold(nn.Module):
    """Calls its first module again after the last cut, and decides by a value."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)
        self.act = nn.ReLU()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.mix(x))
        if x.mean().item() < 1e9:
            x = self.mix(x)
        return self.head(x.mean((2, 3)))


def test_a_module_before_the_cut_may_run_again_after_it() -> None:
    network = Twofold().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    encoder, decoder = traced.split("act")
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(decoder(encoder(images)), network(images))
    assert {"mix.weight", "head.weight"} <= decoder.state_dict().keys()


class Counts(nn.Module):
    """Assigns a buffer: fx cannot, export can, and no cut lies between the reading and the writing."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.seen + 1
        x = self.conv(x)
        return self.head(x.mean((2, 3)))


def test_a_buffer_counted_up_counts_up_once() -> None:
    network = Counts()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer != "fx"
    assert network.seen == 0
    if traced.tracer == "export":
        encoder, decoder = traced.split(traced.cuts(fine=True)[0].name)
        decoder(encoder(torch.rand(2, 3, 8, 8)))
        counted = {**encoder.state_dict(), **decoder.state_dict()}["seen"]
        assert counted == 1


class Nowhere(nn.Module):
    """Needs its input to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * x


def test_a_network_without_a_cut_is_told_by_every_rung() -> None:
    with pytest.raises(TraceError) as caught:
        trace(Nowhere(), torch.rand(2, 3, 8, 8))
    text = str(caught.value)
    assert "no cut was found in this Nowhere" in text
    assert all(
        f"{rung}: no value alone separates the input from the output" in text for rung in ("fx", "export", "hooks")
    )


def test_a_wrong_graph_is_not_believed() -> None:
    class Fickle(Tiny):
        def forward(self, x: Tensor) -> Tensor:
            x = super().forward(x)
            return x * 2 if torch.fx._symbolic_trace.is_fx_tracing() else x

    traced = trace(Fickle(), torch.rand(2, 3, 32, 32))
    assert traced.tracer != "fx"
    assert (traced.why or "").startswith("fx: RungError: the graph does not give the network's own output in eval mode")
