"""The patched model: stages, freezing, stage outputs, and what it says of itself."""

import pytest
import torch
from torch import nn
from torchvision import models

import suture
from raising import raises
from suture.errors import PlanError
from suture.hybrids import HybridModel, model_of

PATCHES = {"layer3": {"wrap": "se"}, "layer4.1": {"inject": "conv_bn_act"}}


def resnet(**options) -> HybridModel:
    return suture.HybridBuilder().from_torchvision("resnet18", weights=None, **options)


@pytest.fixture(scope="module")
def model() -> HybridModel:
    return resnet(patches=PATCHES, num_classes=10)


def test_the_parts_are_named_and_hold_every_parameter_once(model):
    assert model.parts == ("stem", "stage1", "stage2", "stage3", "stage4", "blocks", "head")
    assert model.stage_names == ("layer1", "layer2", "layer3", "layer4")
    assert model.head_name == "fc"
    held = [name for part in model.parts for name in model.tensors_of(part)]
    assert sorted(held) == sorted(name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("head", ("head",)),
        ("blocks", ("blocks",)),
        ("stage2", ("stage2",)),
        ("backbone", ("stem", "stage1", "stage2", "stage3", "stage4")),
        ("backbone:2", ("stage3", "stage4")),
        ("all", ("stem", "stage1", "stage2", "stage3", "stage4", "blocks", "head")),
    ],
)
def test_parts_by_name(model, part, names):
    assert model.named(part) == names


def test_a_model_without_patches_has_no_blocks():
    plain = resnet(num_classes=10)
    assert "blocks" not in plain.parts
    assert plain.named("blocks") == ()
    assert plain.stage_modules("blocks") == []


@pytest.mark.parametrize("part", ["tail", "head:2", "stage9", "backbone:0", ""])
def test_no_part_of_that_name(model, part):
    with raises(PlanError, repr(part), "backbone:1"):
        model.named(part)


def test_more_stages_than_there_are(model):
    with raises(PlanError, "the last 5 stages", "layer1, layer2, layer3, layer4", "backbone:4"):
        model.freeze("backbone:5")


def test_the_modules_of_a_stage_are_the_largest(model):
    assert model.stage_modules("stage3") == [model.get_submodule("layer3")]
    assert model.stage_modules("backbone:1") == [model.get_submodule("layer4")]
    assert model.stage_modules("stem") == [model.get_submodule("conv1"), model.get_submodule("bn1")]
    assert model.stage_modules("blocks") == [
        model.get_submodule(c.block) for c in sorted(model.changes, key=lambda c: c.block)
    ]
    assert model.stage_modules("all") == [model]


def test_the_head_brings_its_dropout_along():
    model = suture.HybridBuilder().from_torchvision("mobilenet_v2", weights=None, num_classes=3, dropout=0.5)
    (head,) = model.stage_modules("head")
    assert [type(layer) for layer in head] == [nn.Dropout, nn.Linear]
    assert head[0].p == 0.5


def test_parameters_that_no_module_holds_alone_learn_with_their_stage():
    network = models.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=5)
    model = suture.patch(network, {}, example=torch.rand(2, 3, 32, 32))
    for part in model.named("all"):
        own = {p for module in model.stage_modules(part) for p in module.parameters()}
        assert own == {model.get_parameter(name) for name in model.tensors_of(part)}, part


def test_frozen_means_frozen(model):
    model.freeze_backbone(unfreeze_stages=[3])
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(name.startswith(("layer4.", "fc.", "layer3.se.")) for name in names)
    assert {"layer3.se.fc1.weight", "fc.weight", "layer4.1.conv2.weight"} <= names
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.rand(4, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert all(name.startswith(("layer4.", "fc.", "layer3.se.")) for name in moved)
    assert {"layer4.0.bn1.running_mean", "fc.weight"} <= moved
    assert all(model.is_frozen(name) for name in model.state_dict() if name.startswith(("layer1", "bn1", "conv1")))
    assert not any(model.is_frozen(name) for name in moved)
    assert not model.get_submodule("layer3").training
    assert model.get_submodule("layer3.se").training
    model.unfreeze_all()
    assert all(p.requires_grad for p in model.parameters())
    assert model.get_submodule("layer3").training
    assert not any(model.is_frozen(name) for name in model.state_dict())
    model.eval()


def test_progressive_unfreezing_as_calls(model):
    counts = []
    for thaw in (None, [3], [2, 3], ["layer2", "layer3", "layer4"]):
        counts.append(model.freeze_backbone(unfreeze_stages=thaw).count_parameters(trainable_only=True))
    counts.append(model.unfreeze_all().count_parameters(trainable_only=True))
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("stage", [4, -5, "layer5", 1.5, True])
def test_a_stage_that_there_is_not_changes_nothing(model, stage):
    model.unfreeze_all()
    with raises(PlanError, "0 layer1, 1 layer2, 2 layer3, 3 layer4", "unfreeze_stages=[3]"):
        model.freeze_backbone(unfreeze_stages=[stage])
    assert all(p.requires_grad for p in model.parameters())


NETWORKS = {
    "swin_t": ("NHWC", [(96, 16, 16), (96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]),
    "convnext_tiny": ("NCHW", [(96, 16, 16), (96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)]),
    "densenet121": ("NCHW", [(64, 16, 16), (256, 16, 16), (512, 8, 8), (1024, 4, 4), (1024, 2, 2)]),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_stage_outputs_are_maps_for_necks_at_any_size(name):
    model = suture.HybridBuilder().from_torchvision(name, weights=None, num_classes=2)
    outputs = model.get_stage_outputs(torch.rand(1, 3, 64, 64))
    assert [tuple(x.shape[1:]) for x in outputs] == NETWORKS[name][1]


def test_the_tokens_of_a_vit_come_as_maps_without_the_class_token():
    network = models.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=5)
    model = suture.patch(network, {}, example=torch.rand(2, 3, 32, 32))
    x = torch.rand(3, 3, 32, 32)
    outputs = model.get_stage_outputs(x)
    assert {tuple(one.shape) for one in outputs} == {(3, 16, 4, 4)}
    tokens = network.encoder(torch.cat([network.class_token.expand(3, -1, -1), network._process_input(x)], 1))
    torch.testing.assert_close(outputs[-1], tokens[:, 1:].mT.unflatten(2, (4, 4)))
    assert torch.equal(model.forward_features(x), outputs[-1])


def test_stage_outputs_show_what_was_added():
    model = resnet(patches={"layer3": {"wrap": "se"}}, num_classes=2)
    x = torch.rand(1, 3, 64, 64)
    before = model.get_stage_outputs(x)
    with torch.no_grad():
        model.get_submodule("layer3.se").fc2.bias.add_(1)
    after = model.get_stage_outputs(x)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, True, False, False]


def test_the_summary_counts_what_the_model_counts(model):
    model.freeze_backbone()
    text = model.summary()
    assert f"{model.count_parameters():,}" in text
    assert f"{model.count_parameters(trainable_only=True):,}" in text
    for word in ("ResNet", "layer4", "512×7×7", "layer3.se", "fc", "wrap layer3: layer3.se", "2 blocks added"):
        assert word in text
    model.unfreeze_all()


def test_a_network_that_gives_features_has_no_head():
    model = suture.HybridBuilder().from_timm("resnet10t", weights=None, num_classes=None)
    body = model_of(model).covered
    body.reset_classifier(0)
    features = suture.patch(body, {}, example=torch.rand(2, 3, 64, 64))
    assert "head" not in features.parts or features.head_name


def test_stage_outputs_of_what_takes_no_images():
    tabular = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    model = suture.patch(tabular, {}, example=torch.rand(2, 6))
    assert [tuple(one.shape) for one in model.get_stage_outputs(torch.rand(3, 6))] == [(3, 8), (3, 8)]
    sound = nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 3, 2), nn.Flatten(), nn.Linear(184, 2))
    model = suture.patch(sound, {}, example=torch.rand(2, 2, 50))
    assert tuple(model.get_stage_outputs(torch.rand(3, 2, 50))[-1].shape) == (3, 8, 23)


class Functional(nn.Module):
    """One that calls no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.rows = nn.Parameter(torch.randn(4, 3, 3, 3)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return nn.functional.conv2d(x, self.kernel).mean((2, 3)) @ self.rows


def test_a_network_without_layers_is_all_stem():
    model = suture.patch(Functional(), {}, example=torch.rand(2, 3, 8, 8))
    assert model.parts == ("stem",)
    assert "stem" in model.summary()
    assert model.freeze("backbone").count_parameters(trainable_only=True) == 0
    assert model.is_frozen("kernel")
    with raises(PlanError, "Functional"):
        model.get_stage_outputs(torch.rand(2, 3, 8, 8))
