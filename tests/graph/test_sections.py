"""The stem and the stages of a network are found, whatever the architecture, and every parameter is in one of them."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import suture
from suture.graph import Network, Section, Traced, last_layers, sections, trace, unpatched
from suture.graph.surgery import Added, add

EXPECTED = {
    "torchvision:resnet18@none": [
        ("stem", "maxpool", (64, 56, 56)),
        ("layer1", "layer1", (64, 56, 56)),
        ("layer2", "layer2", (128, 28, 28)),
        ("layer3", "layer3", (256, 14, 14)),
        ("layer4", "layer4", (512, 7, 7)),
    ],
    "torchvision:efficientnet_b0@none?size=64": [
        ("stem", "features.0", (32, 32, 32)),
        ("features.1", "features.1", (16, 32, 32)),
        ("features.2", "features.2", (24, 16, 16)),
        ("features.3", "features.3", (40, 8, 8)),
        ("features.4–features.5", "features.5", (112, 4, 4)),
        ("features.6–features.8", "features", (1280, 2, 2)),
    ],
    "torchvision:mobilenet_v2@none?size=64": [
        ("stem", "features.0", (32, 32, 32)),
        ("features.1", "features.1", (16, 32, 32)),
        ("features.2–features.3", "features.3", (24, 16, 16)),
        ("features.4–features.6", "features.6", (32, 8, 8)),
        ("features.7–features.13", "features.13", (96, 4, 4)),
        ("features.14–features.18", "features", (1280, 2, 2)),
    ],
    "torchvision:densenet121@none?size=64": [
        ("stem", "features.pool0", (64, 16, 16)),
        ("features.denseblock1", "features.denseblock1", (256, 16, 16)),
        ("features.transition1–features.denseblock2", "features.denseblock2", (512, 8, 8)),
        ("features.transition2–features.denseblock3", "features.denseblock3", (1024, 4, 4)),
        ("features.transition3–features.norm5", "features", (1024, 2, 2)),
    ],
    "torchvision:convnext_tiny@none?size=64": [
        ("stem", "features.0", (96, 16, 16)),
        ("features.1", "features.1", (96, 16, 16)),
        ("features.2–features.3", "features.3", (192, 8, 8)),
        ("features.4–features.5", "features.5", (384, 4, 4)),
        ("features.6–features.7", "features", (768, 2, 2)),
    ],
    "torchvision:swin_t@none?size=64": [
        ("stem", "features.0", (16, 16, 96)),
        ("features.1", "features.1", (16, 16, 96)),
        ("features.2–features.3", "features.3", (8, 8, 192)),
        ("features.4–features.5", "features.5", (4, 4, 384)),
        ("features.6–norm", "norm", (2, 2, 768)),
    ],
    "torchvision:squeezenet1_1@none?size=64": [
        ("stem", "features.2", (64, 15, 15)),
        ("features.3–features.4", "features.4", (128, 15, 15)),
        ("features.6–features.7", "features.7", (256, 7, 7)),
        ("features.9–features.12", "features", (512, 3, 3)),
    ],
    "torchvision:googlenet@none?size=64": [
        ("stem", "maxpool1", (64, 16, 16)),
        ("conv2–conv3", "conv3", (192, 16, 16)),
        ("inception3a–inception3b", "inception3b", (480, 8, 8)),
        ("inception4a–inception4e", "inception4e", (832, 4, 4)),
        ("inception5a–inception5b", "inception5b", (1024, 2, 2)),
    ],
    "timm:vit_tiny_patch16_224@none": [
        ("stem", "norm_pre", (197, 192)),
        ("blocks.0–blocks.2", "blocks.2", (197, 192)),
        ("blocks.3–blocks.5", "blocks.5", (197, 192)),
        ("blocks.6–blocks.8", "blocks.8", (197, 192)),
        ("blocks.9–norm", "norm", (197, 192)),
    ],
    "timm:test_mambaout@none": [
        ("stem", "stem", (40, 40, 16)),
        ("stages.0", "stages.0", (40, 40, 16)),
        ("stages.1", "stages.1", (20, 20, 32)),
        ("stages.2", "stages.2", (10, 10, 48)),
        ("stages.3", "stages", (5, 5, 64)),
    ],
    "zoo:tiny10@none": [
        ("stem", "relu1", (16, 30, 30)),
        ("conv2–bn2", "relu2", (16, 28, 28)),
        ("conv3–bn5", "relu5", (32, 9, 9)),
        ("conv6–bn6", "relu6", (64, 4, 4)),
        ("conv7–bn8", "relu8", (64, 2, 2)),
    ],
    "zoo:resnet20@none": [
        ("stem", "bn1", (16, 32, 32)),
        ("layer1", "layer1", (16, 32, 32)),
        ("layer2", "layer2", (32, 16, 16)),
        ("layer3", "layer3", (64, 8, 8)),
    ],
    "zoo:lenet@none": [("stem", "pool1", (6, 14, 14)), ("conv2", "relu2", (16, 10, 10))],
    "zoo:dense@none": [("stem", "relu1", (300,)), ("fc2", "relu2", (300,)), ("fc3", "relu3", (300,))],
}
OTHERS = ("zoo:densenet-small@none", "zoo:mobilenet-small@none", "zoo:nbn-tiny10@none")


def head_of(network: nn.Module, example: Tensor | None = None) -> list[str]:
    layers = {name.removeprefix("body.") for name in last_layers(network, example) or ()}
    return [name for name in network.state_dict() if name.rpartition(".")[0] in layers]


def told(found: tuple[Section, ...]) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(section.name, section.output, section.end.shape) for section in found]


def check(traced: Traced, found: tuple[Section, ...], head: list[str]) -> None:
    """Every parameter is in one section or in the head; a hook on ``output`` sees the end; resolution never grows."""
    network, state = traced.network, traced.network.state_dict()
    names = [name for name, value in network.named_parameters(remove_duplicate=False)]
    bodied = [name.removeprefix("body.") for name in names] if isinstance(network, Network) else names
    assert set(bodied) <= set(state)
    inside = [name for section in found for name in section.parameters]
    assert sorted([*inside, *head]) == sorted(bodied)
    assert all(section.parameters for section in found)
    grids = [section.end.grid[0] for section in found if section.end.grid]
    assert grids == sorted(grids, reverse=True)
    body = network.body if isinstance(network, Network) else network
    network.eval()
    with torch.no_grad():
        values = traced.tap([section.end.name for section in found]).eval()(traced.example.clone())
        for section in found:
            seen: list[Tensor] = []
            hook = body.get_submodule(section.output).register_forward_hook(
                lambda _m, _a, value, seen=seen: seen.append(value.clone())
            )
            network(traced.example)
            hook.remove()
            assert len(seen) == 1
            assert torch.allclose(seen[0], values[section.end.name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("source", [*EXPECTED, *OTHERS])
def test_the_stem_and_the_stages_are_found(source):
    network = suture.load(source)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    traced, head = trace(network), head_of(network)
    found = sections(traced, head)
    if source in EXPECTED:
        assert told(found) == EXPECTED[source]
    assert found[0].name == "stem"
    assert len(found) > 1
    check(traced, found, head)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_raw_module_has_the_same_sections_as_the_network_around_it():
    network = suture.load("torchvision:resnet18@none?size=64")
    raw = network.body
    images = torch.rand(2, 3, 64, 64)
    outer, inner = trace(network), trace(raw, images)
    head = ["fc.weight", "fc.bias"]
    assert [(s.name, s.output, s.parameters) for s in sections(outer, head)] == [
        (s.name, s.output, s.parameters) for s in sections(inner, head)
    ]


def test_what_comes_between_the_last_map_and_the_head_is_in_the_last_stage():
    last = sections(trace(suture.load("zoo:lenet@none")), ["fc3.weight", "fc3.bias"])[-1]
    assert {"fc1.weight", "fc2.bias", "conv2.weight"} <= set(last.parameters)
    assert last.name == "conv2"


class Auxiliary(nn.Module):
    """Answers twice in train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
        self.aux, self.fc = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        y = self.fc(self.deep(x).mean((2, 3)))
        return (y, self.aux(x.mean((2, 3)))) if self.training else y


def test_an_auxiliary_head_is_in_the_last_stage():
    traced = trace(Auxiliary(), torch.rand(2, 3, 8, 8))
    assert traced.auxiliary == ("aux",)
    found = sections(traced, ["fc.weight", "fc.bias"])
    assert [section.output for section in found] == ["stem", "deep"]
    assert found[-1].parameters == ("deep.weight", "deep.bias", "aux.weight", "aux.bias")


class Shared(nn.Module):
    """One convolution twice, and a parameter of the network's own; ``idle`` never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.position = nn.Parameter(torch.rand(8, 1, 1))
        self.first, self.down = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
        self.second, self.idle = self.first, nn.Linear(2, 2)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.conv(x) + self.position)
        return self.fc(self.second(self.down(x)).mean((2, 3)))


def test_a_shared_layer_is_in_the_first_section_that_uses_it_and_an_idle_one_in_the_last():
    network, images = Shared(), torch.rand(2, 3, 16, 16)
    found = sections(trace(network, images), ["fc.weight", "fc.bias"])
    owner = {name: number for number, section in enumerate(found) for name in section.parameters}
    assert owner.keys() == {name for name, _ in network.named_parameters(remove_duplicate=False)} - {
        "fc.weight",
        "fc.bias",
    }
    assert owner["first.weight"] == owner["second.weight"]
    assert owner["idle.weight"] == len(found) - 1
    assert owner["conv.weight"] == 0
    assert owner["first.weight"] <= owner["down.weight"]


class Deciding(nn.Module):
    """Decides by its values, so that only hooks can follow it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.wide, self.deep = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1)
        self.fc = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.deep(self.wide(self.stem(x))).mean((2, 3))
        return self.fc(x) if float(x.abs().sum()) >= 0 else self.fc(-x)


def test_a_network_that_only_hooks_can_follow_has_sections_too():
    traced = trace(Deciding(), torch.rand(2, 3, 16, 16))
    assert traced.tracer == "hooks"
    head = ["fc.weight", "fc.bias"]
    found = sections(traced, head)
    assert told(found) == [("stem", "stem.1", (8, 16, 16)), ("wide", "wide", (8, 16, 16)), ("deep", "deep", (16, 8, 8))]
    check(traced, found, head)


def isotropic(layers: int) -> nn.Module:
    blocks = (nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(layers))
    trunk = nn.Sequential(*(nn.Sequential(*block) for block in blocks))
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def groups(layers: int) -> Iterator[str]:
    """Four groups of as many each, the first with what is over."""
    size = max(1, layers // 4)
    ends = [layers - 1 - size * number for number in reversed(range(min(4, layers)))]
    starts = [0, *(end + 1 for end in ends[:-1])]
    for start, end in zip(starts, ends, strict=True):
        yield f"1.{start}" if start == end else f"1.{start}–1.{end}"


@pytest.mark.parametrize("layers", range(4, 11))
def test_where_the_resolution_never_falls_there_are_four_equal_groups(layers):
    network = isotropic(layers)
    traced = trace(network, torch.rand(2, 3, 8, 8))
    head = head_of(network, traced.example)
    found = sections(traced, head)
    assert [section.name for section in found] == ["stem", *groups(layers)]
    check(traced, found, head)


def test_without_a_head_all_is_in_the_sections():
    network = suture.load("zoo:tiny10@none")
    traced = trace(network)
    found = sections(traced)
    assert told(found) == EXPECTED["zoo:tiny10@none"]
    assert found[-1].parameters[-2:] == ("fc.weight", "fc.bias")
    check(traced, found, [])


def test_what_can_be_cut_at_its_first_layer_alone_is_all_stem():
    single = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    (stem,) = sections(trace(single, torch.rand(2, 3, 8, 8)), ["3.weight", "3.bias"])
    assert (stem.name, stem.output, stem.parameters) == ("stem", "0", ("0.weight", "0.bias"))
    nothing = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), nn.Flatten())
    assert sections(trace(nothing, torch.rand(2, 3, 8, 8))) == ()


def test_blocks_that_were_added_move_no_border():
    plain, patched = suture.load("torchvision:resnet18@none?size=64").body, None
    images, head = torch.rand(2, 3, 64, 64), ["fc.weight", "fc.bias"]
    wanted = sections(trace(plain, images), head)
    patched = suture.load("torchvision:resnet18@none?size=64").body
    for name, where in (("maxpool", "after"), ("layer1", "after"), ("layer2.0", "before"), ("layer4", "after")):
        width = {"maxpool": 64, "layer1": 64, "layer2.0": 64, "layer4": 512}[name]
        add(patched, name, nn.Conv2d(width, width, 1), Added("more", where))
    names = list(patched.state_dict())
    with unpatched(patched):
        found = sections(trace(patched, images), head)
        assert not any(".more." in name for name in patched.state_dict())
    assert told(found) == told(wanted)
    assert [section.parameters for section in found] == [section.parameters for section in wanted]
    assert list(patched.state_dict()) == names
    assert "layer4.more.weight" in names


def test_parameters_that_were_added_are_in_no_section():
    network = suture.load("zoo:resnet20@none").body
    add(network, "layer2.1.conv1", nn.Conv2d(32, 32, 3, padding=1), Added("more", "instead"))
    images = torch.rand(2, 3, 32, 32)
    added = [name for name in network.state_dict() if ".more." in name]
    head = ["fc.weight", "fc.bias"]
    with unpatched(network):
        found = sections(trace(network, images), head, added)
    assert [section.name for section in found] == ["stem", "layer1", "layer2", "layer3"]
    inside = {name for section in found for name in section.parameters}
    assert inside == {name for name, _ in network.named_parameters()} - {*added, *head}
