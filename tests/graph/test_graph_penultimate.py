"""The features of a network, its last map, its stages and its last layers are found, whatever the architecture."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raising import raises
from suture.errors import CutError
from suture.graph import last_layers, last_map, penultimate, stages, trace
from suture.sources import load
from suture.spec.cut import Layout

FEATURES = {
    "zoo:lenet@none": ("relu4", (84,), "pool2"),
    "zoo:tiny10@none": ("mean", (64,), "relu8"),
    "zoo:densenet-small@none": ("mean", (212,), "relu"),
    "torchvision:resnet18@none?size=64": ("flatten", (512,), "layer4.1"),
    "torchvision:densenet121@none?size=64": ("flatten", (1024,), "relu"),
    "torchvision:mobilenet_v2@none?size=32": ("flatten", (1280,), "features.14.conv.0"),
    "torchvision:mobilenet_v3_small@none?size=64": ("classifier.1", (1024,), "features.12"),
    "torchvision:efficientnet_b0@none?size=64": ("flatten", (1280,), "features.8"),
    "torchvision:squeezenet1_0@none?size=64": ("features.12", (512, 3, 3), "features.12"),
    "torchvision:inception_v3@none": ("avgpool", (2048, 1, 1), "Mixed_7c"),
    "torchvision:convnext_tiny@none?size=64": ("classifier.1", (768,), "features.7.2"),
    "torchvision:swin_t@none?size=64": ("flatten", (768,), "permute"),
    "timm:efficientnet_lite0@none?size=64": ("global_pool", (1280,), "bn2"),
    "timm:mobilenetv3_small_050@none?size=64": ("flatten", (1024,), "blocks.5.0.bn1"),
    "timm:vit_tiny_patch16_224@none": ("getitem_77", (192,), "norm"),
    "timm:deit_tiny_distilled_patch16_224@none": ("norm", (198, 192), "norm"),
}
STAGES = {
    "zoo:dense@none": ["relu1", "relu2", "relu3"],
    "zoo:tiny10@none": ["relu2", "relu5", "relu6", "mean"],
    "zoo:resnet20@none": ["layer1.2", "layer2.2", "mean"],
    "torchvision:resnet50@none?size=64": ["relu", "layer1.2", "layer2.3", "layer3.5", "flatten"],
    "torchvision:resnet50@none?size=32": ["relu", "layer1.2", "layer2.3", "layer3.5", "flatten"],
    "torchvision:convnext_tiny@none?size=64": ["features.2.0", "features.4.0", "features.6.0", "classifier.1"],
    "timm:vit_tiny_patch16_224@none": ["blocks.2", "blocks.5", "blocks.8", "getitem_77"],
}


@pytest.mark.parametrize("source", FEATURES)
def test_the_features_are_what_goes_into_the_last_layer(source):
    name, shape, grid = FEATURES[source]
    traced = trace(load(source))
    cut = penultimate(traced)
    assert (cut.name, cut.shape) == (name, shape)
    assert last_map(traced).name == grid
    decoder = traced.split(cut.name)[1]
    assert sum(p.numel() for p in decoder.parameters()) == cut.params_after


@pytest.mark.parametrize("source", STAGES)
def test_stages_end_where_the_resolution_falls_or_are_equal_groups(source):
    traced = trace(load(source))
    found = stages(traced)
    assert [cut.name for cut in found] == STAGES[source]
    assert found[0].params_before > 0
    assert all(a.params_before < b.params_before for a, b in pairwise(found))


def test_stages_go_up_to_the_cut_asked_for():
    traced = trace(load("zoo:resnet20@none"))
    assert [cut.name for cut in stages(traced, traced.find("layer3.0"))] == ["layer1.2", "layer2.2", "layer3.0"]
    assert [cut.name for cut in stages(traced, traced.find("layer1.1"))] == ["bn1", "layer1.0", "layer1.1"]
    assert [cut.name for cut in stages(traced, traced.find("conv1"))] == ["conv1"]


def test_a_dropout_that_stands_before_the_flattening_is_left_out():
    late = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Dropout(), nn.Flatten())
    early = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout())
    for body, name in ((late, "2"), (early, "3")):
        network = nn.Sequential(*body, nn.Identity(), nn.Linear(4, 2))
        before = {key: value.clone() for key, value in network.state_dict().items()}
        assert penultimate(trace(network, torch.rand(2, 3, 8, 8))).name == name
        assert network.training
        assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_what_has_no_such_place_is_said():
    single = trace(nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()), torch.rand(2, 3, 8, 8))
    with raises(CutError, "no legal cut before its last layer"):
        penultimate(single)
    vectors = trace(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2)), torch.rand(2, 3, 2, 2))
    with raises(CutError, "no cut at a map"):
        last_map(vectors)


class Declared(nn.Module):
    """Uses its layers in another order than it declares them; ``unused`` is a linear layer, too."""

    def __init__(self, ends: str) -> None:
        super().__init__()
        self.ends = ends
        self.head, self.second = nn.Linear(4, 2), nn.Linear(4, 2)
        self.conv, self.mid = nn.Conv2d(3, 4, 3), nn.Linear(4, 4)
        self.norm, self.unused = nn.BatchNorm1d(2), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x).mean((2, 3)) * self.scale)
        x = F.relu_(self.mid(x))
        if self.ends == "two":
            return (self.head(x) + self.second(x)) / 2
        return self.norm(self.head(x)) if self.ends == "norm" else self.head(x).log_softmax(1)


@pytest.mark.parametrize(("ends", "names"), [("one", ("head",)), ("two", ("head", "second")), ("norm", ("norm",))])
def test_the_last_layers_are_those_that_run_last(ends, names):
    network, x = Declared(ends), torch.rand(2, 3, 8, 8)
    network.mid.requires_grad_(False)
    assert last_layers(network, x) == names
    assert last_layers(network) is None
    decoder = trace(network, x).split("relu_")[1]
    assert last_layers(decoder) == names
    assert network.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert all(p.grad is None and p.requires_grad != name.startswith("mid") for name, p in network.named_parameters())


def test_a_network_that_decides_by_values_has_its_last_layer_seen_too():
    class Deciding(Declared):
        def forward(self, x: Tensor) -> Tensor:
            x = self.mid(self.conv(x).mean((2, 3)))
            return self.head(x) if float(x.abs().sum()) >= 0 else self.second(x)

    traced = trace(Deciding("one"), torch.rand(2, 3, 8, 8))
    assert traced.tracer == "hooks"
    assert last_layers(traced.split("conv")[1]) == ("head",)
    assert penultimate(traced).layout in (Layout.NC, Layout.NCHW)


def test_features_alone_have_no_last_layer():
    assert last_layers(nn.ReLU(), torch.rand(2, 3)) == ()
