"""Every error text of the room."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

from graph.networks import Decides, Loose, Moody, Tiny, loaded
from suture.errors import CutError, TraceError
from suture.graph import Traced, trace


@pytest.fixture(scope="module")
def resnet() -> Traced:
    return trace(torchvision.models.resnet18(), torch.rand(2, 3, 32, 32))


def complaint(traced: Traced, name: str) -> CutError:
    with pytest.raises(CutError) as caught:
        traced.split(name)
    assert type(caught.value) is CutError
    assert caught.value.expected
    assert caught.value.instead
    return caught.value


def test_an_unknown_layer_gets_the_nearest_names(resnet: Traced) -> None:
    error = complaint(resnet, "layr2.1")
    assert error.given == "the network has no layer 'layr2.1'"
    assert error.expected.startswith("a layer of this network: relu, maxpool, layer1.0")
    assert "layer2.1" in error.instead
    with pytest.raises(CutError, match="no layer 'nope'"):
        resnet.find("nope")
    with pytest.raises(CutError, match="no layer 'nope'"):
        resnet.tap(["relu", "nope"])


def test_inside_a_residual_block_the_values_that_cross_are_named(resnet: Traced) -> None:
    error = complaint(resnet, "layer2.0.conv1")
    assert error.given == (
        "the network cannot be cut at layer2.0.conv1: "
        "layer2.0.conv1 is inside a residual block: layer1.1 is still needed after layer2.0.conv1"
    )
    assert error.expected == "a value that alone separates the input from the output"


def test_after_the_output_nothing_is_left(resnet: Traced) -> None:
    assert "fc is the network's output: nothing is left to decode" in complaint(resnet, "fc").given


def test_what_is_no_activation_is_no_cut() -> None:
    traced = trace(Loose(), torch.rand(2, 3, 8, 8))
    assert "is not a tensor of activations" in complaint(traced, "attention").given
    with pytest.raises(CutError, match="the value attention cannot be read"):
        traced.tap(["attention"])


class Odd(nn.Module):
    """Values that are no activations, are only read through another, or exist in one mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.pair = Pair()
        self.never = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        batch = x.transpose(0, 1).shape[1]
        x.relu_()
        one, other = self.pair(x)
        x = (one + other) / batch
        x = x.transpose(0, 1)
        x = torch.sigmoid(x)
        return self.head(x.mean((2, 3)).t())


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * 2, x + 1


def test_every_other_reason_is_told() -> None:
    traced = trace(Odd(), torch.rand(2, 3, 8, 8))
    assert "conv is still needed after relu_" in complaint(traced, "relu_").given
    given = complaint(traced, "sigmoid").given
    assert "sigmoid has no entry for each image: its shape is (4, 2, 6, 6) for a batch of 2" in given
    assert "the number getitem is still needed after add_1" in complaint(traced, "add_1").given
    for module in ("pair", "never"):
        error = complaint(traced, module)
        assert error.given == (
            f"the module {module} has no output that is one tensor and the same in eval and in train mode"
        )
        assert error.expected == "a module that runs in every forward pass and returns one tensor"


def test_a_value_of_one_mode_is_no_cut() -> None:
    traced = trace(Moody(), torch.rand(2, 3, 8, 8))
    assert "calm is not computed in train mode" in complaint(traced, "calm").given
    assert "has no output that is one tensor and the same in eval and in train mode" in complaint(traced, "wild").given


class Noisy(nn.Module):
    """Keeps a value across the layers in train mode only."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.two = nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        noise = torch.tanh(x) if self.training else None
        x = self.two(x)
        return self.head(x if noise is None else x + noise).mean((2, 3))


def test_a_value_kept_in_train_mode_blocks_the_cut_in_both() -> None:
    traced = trace(Noisy(), torch.rand(2, 3, 8, 8))
    assert "in train mode another value is still needed after two" in complaint(traced, "two").given
    assert traced.find("one").name == "one"


class Ends(nn.Module):
    """A chain up to the output, through a module that mixes the images and one that a shortcut skips."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.mix = nn.Flatten(0, 1)
        self.fold = nn.Unflatten(0, (-1, 4))
        self.two = nn.Conv2d(4, 4, 1)
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.two(self.fold(self.mix(self.one(x)))))
        if x.max().item() > 1e9:
            raise ValueError("too bright")
        return x


def test_reasons_along_the_chain() -> None:
    traced = trace(Ends(), torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    assert "mix is not a batch of activations" in complaint(traced, "mix").given
    assert "last is the network's output: nothing is left to decode" in complaint(traced, "last").given
    assert [cut.name for cut in traced.cuts(fine=True)] == ["one", "fold", "two"]


def test_reasons_of_module_order() -> None:
    traced = trace(Decides(), torch.rand(2, 3, 8, 8))
    assert "fc is not part of the unbroken chain of modules that starts at the input" in complaint(traced, "fc").given


def test_a_tap_wants_a_name(resnet: Traced) -> None:
    with pytest.raises(CutError) as caught:
        resnet.tap([])
    assert caught.value.given == "no layer was named to tap"
    assert caught.value.expected == "one name or more"
    assert caught.value.instead == "tap(['relu'])"


def test_a_bare_module_needs_an_example() -> None:
    with pytest.raises(TraceError) as caught:
        trace(Tiny())
    assert caught.value.given == "a Tiny does not say what images it takes"
    assert caught.value.expected == "an example batch for any network that was not loaded from a source"
    assert caught.value.instead == "example=torch.rand(2, 3, 224, 224), beside the network"


@pytest.mark.parametrize("example", [torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.rand(3), torch.rand(0, 3, 8, 8)])
def test_an_example_is_a_batch_of_floats(example: Tensor) -> None:
    with pytest.raises(TraceError, match="a batch of floats with the images on axis 0") as caught:
        trace(Tiny(), example)
    assert caught.value.given.startswith("the example has shape")


def test_a_network_that_fails_says_how() -> None:
    with pytest.raises(
        TraceError, match=r"in eval mode the network fails on a batch of shape \(2, 1, 32, 32\)"
    ) as caught:
        trace(Tiny(), torch.rand(2, 1, 32, 32))
    assert caught.value.expected == "a network that takes this batch in eval and in train mode"
    with pytest.raises(TraceError, match="in eval mode the network fails"):
        trace(loaded(Tiny(), size=8))
