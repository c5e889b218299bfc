"""Networks that a careless eye would cut wrongly: halves are the network, or refuse, and are never silently wrong."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raising import raises
from suture.errors import CutError, TraceError
from suture.graph import trace
from suture.spec.cut import Layout


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.conv2 = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.act, self.fc = nn.Tanh(), nn.Linear(4, 3)

    def start(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))

    def end(self, x: Tensor) -> Tensor:
        return self.fc(self.act(self.conv2(x)).mean((2, 3)))


class Mutated(Stem):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        table = torch.zeros(x.shape[2], device=x.device)
        table.add_(1)
        return self.end(self.act(x) * table[:, None])


class Typed(Stem):
    def forward(self, x: Tensor) -> Tensor:
        kind = x.dtype
        x = self.act(self.conv(x).double())
        return self.end(x.to(kind))


class Placed(Stem):
    def forward(self, x: Tensor) -> Tensor:
        here = x.device.type == "cpu"
        return self.end(self.start(x) * (1 + here))


class Strided(Stem):
    def forward(self, x: Tensor) -> Tensor:
        far = x.stride(0)
        return self.end(self.start(x) * far / 100)


class Quarter(Stem):
    def forward(self, x: Tensor) -> Tensor:
        groups = x.shape[0] // 4
        return self.end(self.start(x) * (1 + groups))


class Crowd(Stem):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 4:
            x = x * 2
        return self.end(self.start(x))


class Chance(Stem):
    def forward(self, x: Tensor) -> Tensor:
        noise = torch.poisson(torch.ones(x.shape[0], 4, 1, 1))
        x = self.start(x) * noise
        return self.end(x + noise)


class Settled(Stem):
    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        if height > 4:
            x = self.start(x)
        return self.end(x) * height


class Resized(Stem):
    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2], x.shape[3]
        x = F.adaptive_avg_pool2d(self.start(x), 4)
        return self.end(F.interpolate(x, size))


@torch.fx.wrap
def only_if_small(x: Tensor) -> Tensor | None:
    return None if x.shape[2] <= 8 else x.mean()


@torch.fx.wrap
def plus(x: Tensor, more: Tensor | None) -> Tensor:
    return x if more is None else x + more


class Sometimes(Stem):
    def forward(self, x: Tensor) -> Tensor:
        more = only_if_small(x)
        return self.end(plus(self.start(x), more))


TRAPS = (Mutated, Typed, Placed, Strided, Quarter, Chance, Settled, Resized, Sometimes)


@pytest.mark.parametrize("make", TRAPS)
def test_halves_are_right_or_refuse(make: Callable[[], nn.Module]) -> None:
    network = make().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    tried = 0
    for cut in traced.cuts(fine=True):
        encoder, decoder = traced.split(cut.name)
        for shape in ((2, 3, 8, 8), (1, 3, 8, 8), (5, 3, 8, 8), (2, 3, 7, 7), (2, 3, 12, 10)):
            images = torch.rand(shape)
            with suppress(CutError):
                torch.manual_seed(0)
                ours = decoder(encoder(images))
                torch.manual_seed(0)
                torch.testing.assert_close(ours, network(images), msg=lambda told, c=cut: f"{c}: {told}")
                tried += shape == (2, 3, 8, 8)
    assert tried == len(traced.cuts(fine=True))


def test_a_decision_by_the_number_of_images_is_not_settled_by_the_example() -> None:
    with raises(TraceError, "own output in eval mode for 5 images"):
        trace(Crowd().eval(), torch.rand(2, 3, 8, 8))


@torch.no_grad()
def frozen(module: nn.Module, x: Tensor) -> Tensor:
    return module(x)


class Frozen(Stem):
    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.act(frozen(self.conv, x)))


def test_what_gets_no_gradient_in_the_network_gets_none_in_its_halves() -> None:
    network = Frozen().eval()
    traced = trace(network, torch.rand(2, 3, 8, 8))
    assert traced.tracer != "fx"
    assert "gradients on or off" in str(traced.why)
    for cut in traced.cuts(fine=True):
        encoder, decoder = traced.split(cut.name)
        network.zero_grad()
        decoder(encoder(torch.rand(2, 3, 8, 8))).sum().backward()
        assert network.conv.weight.grad is None
        assert network.fc.weight.grad is not None


class Widened(Stem):
    """Decides by a shape, and switches autocast on for a part."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x) if x.shape[2] > 4 else x
        with torch.autocast("cpu", torch.bfloat16):
            x = self.act(self.conv2(x))
        return self.fc(x.float().mean((2, 3)))


def test_autocast_switched_on_inside_is_left_to_module_order() -> None:
    traced = trace(Widened().eval(), torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    assert "switches autocast on for a part of itself" in str(traced.why)


class Helped(Stem):
    """In train mode another output, made like the main one."""

    def __init__(self, early: Callable[[Any, Tensor], Tensor], bundle: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.aux = nn.Sequential(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        self.early, self.bundle = early, bundle

    def forward(self, x: Tensor) -> Any:
        x = self.start(x)
        early = self.early(self, x) if self.training else None
        x = self.end(x) + 1
        return self.bundle(x, early) if self.training else x


EARLY: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "adds": lambda self, x: self.aux(x.clone()) + 1,
    "shares its head": lambda self, x: self.fc(x.mean((2, 3))),
    "writes to the trunk": lambda self, x: self.aux(x),
}


@pytest.mark.parametrize("early", EARLY)
@pytest.mark.parametrize("first", [True, False])
def test_the_main_output_is_the_one_of_eval_mode(early: str, first: bool) -> None:
    network = Helped(EARLY[early], lambda x, aux: (x, aux) if first else (aux, x)).train()
    images = torch.rand(2, 3, 8, 8)
    traced = trace(network, images)
    wanted = network(images)
    main = wanted[0 if first else 1]
    for cut in traced.cuts(fine=True):
        encoder, decoder = traced.split(cut.name)
        ours = decoder.train()(encoder.train()(images))
        torch.testing.assert_close(ours, main if isinstance(ours, Tensor) else wanted)
    if early == "adds":
        assert traced.auxiliary == ("aux",)
    assert not {"fc", "act", "conv2"} & set(traced.auxiliary)


class Branches(Stem):
    """Two values side by side all the way; what stacks them has as many branches as the example has images."""

    def forward(self, x: Tensor) -> Tensor:
        one, two = self.conv(x), self.conv2(self.conv(x))
        for _ in range(2):
            one, two = self.act(one) + two, self.act(two) * 2
        return torch.stack([one.mean((2, 3)), two.mean((2, 3))]).mean(0)


def test_an_axis_as_long_as_the_batch_is_not_the_batch() -> None:
    with raises(TraceError, "no value alone separates", "two tensors or more live side by side"):
        trace(Branches(), torch.rand(2, 3, 8, 8))


def test_sounds_have_their_channels_first() -> None:
    traced = trace(nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)), torch.rand(2, 3, 20))
    assert [(cut.layout, cut.channels) for cut in traced.cuts(fine=True)][:2] == [(Layout.NCL, 8), (Layout.NCL, 8)]


def test_an_example_is_a_tensor() -> None:
    with raises(TraceError, "the example is a str", "example=torch.rand(2, 3, 224, 224)"):
        trace(Stem(), "images")  # type: ignore[arg-type]


def test_tracing_minds_no_inference_mode() -> None:
    network = Settled().eval()
    with torch.inference_mode():
        traced = trace(network, torch.rand(2, 3, 8, 8))
    assert len(traced.cuts()) == len(trace(network, torch.rand(2, 3, 8, 8)).cuts())


def test_lazy_layers_want_a_batch_first() -> None:
    with raises(TraceError, "lazy layers", "network(example) once, before it is cut"):
        trace(nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten()), torch.rand(2, 3, 8, 8))
