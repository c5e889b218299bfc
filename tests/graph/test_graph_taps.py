"""Reading activations."""

import weakref
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

from graph.networks import Decides, InPlace, Loose, Moody, ResNet20, Shapely, Tied, Tiny, loaded
from suture.graph import trace


def hooked(network: nn.Module, images: Tensor, paths: list[str]) -> dict[str, Tensor]:
    """What forward hooks see, copied before anything later can write to it."""
    seen: dict[str, Tensor] = {}
    handles = []
    for path in paths:

        def keep(_module: nn.Module, _args: object, result: Tensor, path: str = path) -> None:
            seen[path] = result.clone()

        handles.append(network.get_submodule(path).register_forward_hook(keep))
    network(images.clone())
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(
    ("make", "paths"),
    [
        (Tiny, ["conv1", "bn1", "relu3", "fc"]),
        (ResNet20, ["bn1", "layer1.0", "layer1.1.conv1", "layer2.0.shortcut", "layer3"]),
        (InPlace, ["conv1", "relu1", "conv2"]),
        (Tied, ["first", "shared", "act"]),
        (Loose, ["conv", "norm"]),
        (Moody, ["stem"]),
        (Shapely, ["bn1", "tail.0", "conv2", "relu"]),
        (Decides, ["stem.1", "stem", "act"]),
        (torchvision.models.resnet18, ["bn1", "relu", "layer1.0.bn1", "layer2.0.downsample", "layer4"]),
    ],
)
def test_taps_show_what_hooks_show_before_anything_is_overwritten(
    make: Callable[[], nn.Module], paths: list[str], training: bool
) -> None:
    network = make()
    traced = trace(network, torch.rand(2, 3, 32, 32))
    network.train(training)
    images = torch.rand(3, 3, 32, 32)
    buffers = [buffer.clone() for buffer in network.buffers()]
    torch.manual_seed(3)
    with torch.no_grad():
        wanted = hooked(network, images, paths)
        for buffer, value in zip(network.buffers(), buffers, strict=True):
            buffer.copy_(value)
        torch.manual_seed(3)
        found = traced.tap(paths)(images.clone())
    assert list(found) == paths
    for path in paths:
        assert torch.allclose(found[path], wanted[path], atol=1e-6), path
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("make", [Tiny, Shapely, Decides])
def test_nothing_after_the_last_tap_is_computed(make: Callable[[], nn.Module]) -> None:
    network = make().eval()
    traced = trace(network, torch.rand(2, 3, 32, 32))
    with torch.no_grad():
        network.fc.weight = nn.Parameter(torch.zeros(1, 1))
    first, second = traced.cuts(fine=True)[:2]
    found = traced.tap([second.name, first.name])(torch.rand(2, 3, 32, 32))
    assert [tuple(value.shape[1:]) for value in found.values()] == [second.shape, first.shape]


def test_one_value_may_be_read_under_two_names() -> None:
    network = torchvision.models.resnet18().eval()
    traced = trace(network, torch.rand(2, 3, 32, 32))
    found = traced.tap(["layer1", "layer1.1", "add_1"])(torch.rand(2, 3, 32, 32))
    assert torch.equal(found["layer1"], found["layer1.1"])
    assert not torch.equal(found["layer1"], found["add_1"])


def test_gradients_flow_through_a_tap() -> None:
    network = loaded(InPlace()).eval()
    tap = trace(network).tap(["conv1", "conv2"])
    tap(torch.rand(2, 3, 32, 32))["conv2"].sum().backward()
    assert network.body.conv1.weight.grad is not None
    assert network.body.fc.weight.grad is None


@pytest.mark.parametrize("make", [Tiny, InPlace, Tied, Loose, Decides])
def test_a_reader_sees_each_value_once_before_it_is_overwritten_and_its_answer_stands_for_it(
    make: Callable[[], nn.Module],
) -> None:
    network = make().eval()
    traced = trace(network, torch.rand(2, 3, 32, 32))
    images, names = torch.rand(3, 3, 32, 32), [cut.name for cut in traced.cuts(fine=True)]
    heard: list[str] = []

    def read(name: str, value: Tensor) -> tuple[str, float]:
        heard.append(name)
        return name, value.double().sum().item()

    with torch.no_grad():
        whole = traced.tap(names)(images.clone())
        found = traced.tap(names, read)(images.clone())
    assert sorted(heard) == sorted(names)
    assert found == {name: (name, value.double().sum().item()) for name, value in whole.items()}


def test_what_was_read_is_not_kept() -> None:
    """Of a chain of equal values no more than the network needs are alive at any time."""
    network = nn.Sequential(*(nn.Sigmoid() for _ in range(12)))
    traced = trace(network, torch.rand(2, 8))
    alive: list[weakref.ref[Tensor]] = []

    def read(_name: str, value: Tensor) -> int:
        alive.append(weakref.ref(value))
        return sum(one() is not None for one in alive)

    with torch.no_grad():
        counts = traced.tap([str(i) for i in range(11)], read)(torch.rand(2, 8))
    assert max(counts.values()) <= 2
