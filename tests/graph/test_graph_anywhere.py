"""Values that shapes alone decide, and what a network gives in train mode only, stand in no cut's way."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph.networks import Decides
from raising import raises
from suture.errors import CutError
from suture.graph import Traced, trace
from suture.spec.cut import Layout


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1)
        self.act = nn.Tanh()
        self.fc = nn.Linear(4, 3)


class Upsamples(Stem):
    """Reads height and width at the start and needs them at the end."""

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2], x.shape[3]
        x = self.act(self.conv(x))
        return self.fc(F.interpolate(x, (height, width // 2)).mean((2, 3)))


class Windows(Stem):
    """Carries a number that mixes the batch with the grid."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        batch, rows = x.shape[0], x.shape[2]
        lines = batch * rows
        x = self.act(x)
        x = x.permute(0, 2, 3, 1).reshape(lines, -1, 4) * 2
        return self.fc(x.mean(1).view(batch, rows, 4).mean(1))


class Rotates(Stem):
    """Makes a table from the grid, the device and the type, and uses it twice."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        table = torch.arange(x.shape[2], device=x.device).to(x.dtype)[:, None].cos()
        x = self.act(x * table)
        return self.fc(self.act(x + table).mean((2, 3)))


@torch.fx.wrap
def mask_of(x: Tensor, wanted: bool) -> Tensor | None:
    return torch.ones_like(x) if wanted else None


@torch.fx.wrap
def maybe_masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


class Unmasked(Stem):
    """Hands on a mask that is None."""

    def forward(self, x: Tensor) -> Tensor:
        mask = mask_of(x, False)
        x = self.act(maybe_masked(self.conv(x), mask))
        return self.fc(maybe_masked(x, mask).mean((2, 3)))


class Grid(nn.Module):
    def __init__(self, width_in: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width_in, 4, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        x = self.conv(x)
        return x, (x.shape[2], x.shape[3])


class Bundles(Stem):
    """Modules that return a tensor and the size of its grid."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Grid(3), Grid(4)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.first(x)
        x, (height, width) = self.second(self.act(x))
        return self.fc(self.act(x).reshape(-1, 4, height * width).mean(2))


CARRY: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "upsamples": (Upsamples, "act"),
    "windows": (Windows, "act"),
    "rotates": (Rotates, "act@1"),
    "unmasked": (Unmasked, "act"),
    "bundles": (Bundles, "act@1"),
}


@pytest.mark.parametrize("name", CARRY)
def test_what_shapes_decide_may_cross_a_cut(name: str) -> None:
    make, cut = CARRY[name]
    network = make().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer == "fx"
    assert cut in {found.name for found in traced.cuts()}
    for place in traced.cuts(fine=True):
        encoder, decoder = traced.split(place.name)
        for count in (1, 5):
            images = torch.rand(count, 3, 8, 8)
            torch.testing.assert_close(decoder(encoder(images)), network(images), rtol=0, atol=0)


def test_a_module_that_returns_a_tensor_and_numbers_gives_its_name() -> None:
    traced = trace(Bundles().eval(), torch.rand(2, 3, 8, 8))
    assert [cut.name for cut in traced.cuts(fine=True)][:4] == ["first", "act@1", "second", "act"]
    assert [cut.name for cut in traced.cuts()] == ["act@1", "act"]
    assert traced.find("second.conv").name == "second"


def test_a_half_that_goes_by_a_number_of_its_example_takes_no_other_shape() -> None:
    network = Upsamples().eval()
    encoder, decoder = trace(network, torch.rand(2, 3, 8, 8)).split("act")
    with raises(CutError, "(3, 10, 10)", "(3, 8, 8)", "numbers that it read off its input"):
        encoder(torch.rand(2, 3, 10, 10))
    with raises(CutError, "(4, 5, 5)", "(4, 4, 4)"):
        decoder(torch.rand(2, 4, 5, 5))
    free = trace(network, torch.rand(2, 3, 8, 8)).split("interpolate")
    images = torch.rand(2, 3, 10, 10)
    torch.testing.assert_close(free[1](free[0](images)), network(images), rtol=0, atol=0)


class Counts(Stem):
    """A number that the values of the image decide."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean().item()
        x = self.act(self.conv(x))
        return self.fc(x.mean((2, 3)) * bright)


class Noisy(Stem):
    """Draws noise of the shape of its input, and needs it later."""

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.rand(x.shape[0], 1, 1, 1)
        x = self.act(self.conv(x))
        return self.fc((x * noise).mean((2, 3)))


@pytest.mark.parametrize(("make", "name"), [(Counts, "item"), (Noisy, "rand")])
def test_values_and_chance_still_stand_in_the_way(make: Callable[[], nn.Module], name: str) -> None:
    traced = trace(make().eval(), torch.rand(2, 3, 8, 8))
    with raises(CutError, f"{name} is still needed after act"):
        traced.find("act")


Answers = namedtuple("Answers", "logits aux")


class Assisted(nn.Module):
    """An auxiliary head on a value in the middle, in train mode."""

    def __init__(self, bundle: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.bundle = bundle
        self.one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.two = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.aux = nn.Sequential(
            nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(4, 3)
        )
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        x = self.one(x)
        early = self.aux(x) if self.training else None
        x = self.fc(self.two(x).mean((2, 3)))
        return self.bundle(x, early) if self.training else x


BUNDLES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "named tuple": lambda x, aux: Answers(x, aux),
    "the other way round": lambda x, aux: (aux, x),
    "dict": lambda x, aux: {"aux": aux, "out": x},
}


@pytest.mark.parametrize("kind", BUNDLES)
def test_auxiliary_heads_are_off_and_named(kind: str) -> None:
    network = Assisted(BUNDLES[kind]).eval()
    images = torch.rand(2, 3, 8, 8)
    traced = trace(network, images)
    assert traced.auxiliary == ("aux",)
    assert set(traced.unused) == {f"aux.{name}" for name, _ in network.aux.named_parameters()}
    assert traced.parameters == sum(p.numel() for name, p in network.named_parameters() if not name.startswith("aux"))
    assert [cut.name for cut in traced.cuts()] == ["one.1", "two.1"]
    before = [buffer.clone() for buffer in network.aux.buffers()]
    for cut in traced.cuts(fine=True):
        encoder, decoder = traced.split(cut.name)
        assert not any(name.startswith("aux") for half in (encoder, decoder) for name in half.state_dict())
        for training in (False, True):
            ours = decoder.train(training)(encoder.train(training)(images))
            theirs = network.train(training)(images)
            if training:
                theirs = {"named tuple": 0, "the other way round": 1, "dict": "out"}[kind], theirs
                theirs = theirs[1][theirs[0]]
            torch.testing.assert_close(ours, theirs)
        network.eval()
    assert any(not torch.equal(a, b) for a, b in zip(before, network.aux.buffers(), strict=True))  # by itself it runs


def test_without_auxiliary_heads_nothing_is_said() -> None:
    traced = trace(Upsamples(), torch.rand(2, 3, 8, 8))
    assert traced.auxiliary == ()
    assert traced.unused == ()


class Careful(nn.Module):
    """Control flow on shapes around parts without gradients and without autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = nn.Conv2d(4, 4, 1)
        self.act = nn.ReLU()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] > 4:
            x = self.conv(x)
        with torch.no_grad():
            scale = self.gate(x).sigmoid()
        with torch.autocast("cpu", enabled=False):
            x = self.act(x * scale)
        return self.fc(x.mean((2, 3)))


def test_contexts_inside_a_network_are_followed_by_export() -> None:
    network = Careful().eval()
    images = torch.rand(2, 3, 8, 8)
    traced = trace(network, images)
    assert traced.tracer == "export"
    assert [cut.name for cut in traced.cuts()] == ["conv", "act"]
    encoder, decoder = traced.split("conv")
    network(images).sum().backward()
    wanted = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    torch.testing.assert_close(decoder(encoder(images)), network(images))
    decoder(encoder(images)).sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == (wanted[name] is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, wanted[name])


class Patches(nn.Module):
    """A small transformer with a class token and two registers, over a grid that is no square."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 4, 4)
        self.tokens = nn.Parameter(torch.randn(1, 3, 6))
        self.block = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6))
        self.pool = nn.Conv1d(6, 6, 3)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2).transpose(1, 2)
        x = self.block(torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], 1))
        x = self.pool(x.transpose(1, 2))
        return self.fc(x.mean(2))


def test_tokens_know_their_grid_and_their_extra_tokens() -> None:
    traced = trace(Patches(), torch.rand(2, 3, 8, 20))
    flat, turned, block = (traced.find(name) for name in ("flatten", "transpose", "block"))
    assert (flat.layout, flat.shape, flat.channels) == (Layout.NCL, (6, 10), 6)
    assert (turned.layout, turned.cells, turned.extra) == (Layout.NLC, (2, 5), 0)
    assert (block.layout, block.shape, block.cells, block.extra, block.stride) == (Layout.NLC, (13, 6), (2, 5), 3, 4.0)
    assert traced.find("transpose_1").layout is Layout.NCL


def parts(traced: Traced, first: str, last: str) -> tuple[nn.Module, nn.Module, nn.Module]:
    return traced.split(first)[0], traced.between(first, last), traced.split(last)[1]


@pytest.mark.parametrize("make", [Upsamples, Windows, Rotates, Careful])
def test_three_parts_are_the_network(make: Callable[[], nn.Module]) -> None:
    network = make().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    names = [cut.name for cut in traced.cuts(fine=True)]
    images = torch.rand(4, 3, 8, 8)
    for number, first in enumerate(names):
        for last in names[number + 1 :]:
            encoder, middle, decoder = parts(traced, first, last)
            torch.testing.assert_close(decoder(middle(encoder(images))), network(images))
            assert set(middle.state_dict()) <= set(network.state_dict())


def test_a_middle_part_of_a_chain_leaves_its_input_alone() -> None:
    network = Decides().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    encoder, middle, decoder = parts(traced, "conv2", "act")
    images = torch.rand(2, 3, 8, 8)
    value = encoder(images)
    kept = value.clone()
    torch.testing.assert_close(decoder(middle(value)), network(images))
    assert torch.equal(value, kept)


def test_a_middle_part_ends_after_it_begins() -> None:
    traced = trace(Upsamples(), torch.rand(2, 3, 8, 8))
    with raises(CutError, "conv is not computed after act", "between('conv', 'act')"):
        traced.between("act", "conv")
    with raises(CutError, "act is not computed after act", "two different cuts"):
        traced.between("act", "act")
