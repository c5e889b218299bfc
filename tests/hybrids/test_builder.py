"""HybridBuilder: what it makes is torchvision's and timm's own, but for what was asked."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from raising import raises
from suture import HybridBuilder
from suture.errors import PlanError, SourceError, UsageError, WeightsError
from suture.hybrids import HybridModel

BUILDER = HybridBuilder()
X = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(3)
    return models.resnet18(weights=None).eval()


@pytest.fixture
def file(resnet, tmp_path):
    save_file(resnet.state_dict(), tmp_path / "resnet18.safetensors")
    return tmp_path / "resnet18.safetensors"


def test_the_weights_of_a_file_give_the_logits_of_torchvision(resnet, file):
    model = BUILDER.from_torchvision("resnet18", weights=file)
    assert isinstance(model, HybridModel)
    assert not model.training
    assert torch.equal(model(X), resnet(X))
    assert list(model.state_dict()) == list(resnet.state_dict())
    assert [name for name, _ in model.named_children()] == [name for name, _ in resnet.named_children()]


@pytest.mark.parametrize("count", [1000, None])
def test_the_pretrained_head_is_kept_where_the_classes_are(resnet, file, count):
    model = BUILDER.from_torchvision("resnet18", str(file), num_classes=count)
    assert torch.equal(model.fc.weight, resnet.fc.weight)
    assert model.plan.new_head is None


def test_another_number_of_classes_changes_the_head_alone(resnet, file):
    model = BUILDER.from_torchvision("resnet18", file, num_classes=10, dropout=0.3)
    state = model.state_dict()
    assert list(state) == list(resnet.state_dict())
    assert model(X).shape == (2, 10)
    assert all(torch.equal(state[name], tensor) for name, tensor in resnet.state_dict().items() if name[:3] != "fc.")
    assert model.plan.new_head == 10
    model.train()
    model.apply(lambda module: module.eval() if isinstance(module, torch.nn.BatchNorm2d) else None)
    assert not torch.equal(model(X), model(X))
    model.eval()
    assert torch.equal(model(X), model(X))


def test_the_checkpoint_of_the_plain_network_loads_into_the_patched_one(resnet):
    patches = {"layer3": {"wrap": "se"}, "layer4.0.conv1": {"inject": "eca"}, "conv1": {"wrap": "lora"}}
    model = BUILDER.from_torchvision("resnet18", weights=None, patches=patches, dropout=0.5, seed=7)
    missing, unexpected = model.load_state_dict(resnet.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith(("layer3.se.", "layer4.0.conv1.eca.", "conv1.lora.")) for name in missing)
    assert set(model.state_dict()) - set(missing) == set(resnet.state_dict())


def test_random_weights_are_drawn_by_the_seed():
    one, same, other = (BUILDER.from_torchvision("resnet18", None, seed=seed)(X) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_every_classifier_of_torchvision_is_listed():
    assert HybridBuilder.list_backbones() == BUILDER.list_backbones() == sorted(models.list_models(module=models))
    assert HybridBuilder.list_backbones("resnet1") == ["resnet101", "resnet152", "resnet18", "wide_resnet101_2"]


def test_timm_networks_are_timms_own():
    model = BUILDER.from_timm("resnet10t", weights=None, num_classes=7, patches={"layer2": {"wrap": "se"}})
    plain = timm.create_model("resnet10t", num_classes=7).eval()
    assert set(plain.state_dict()) <= set(model.state_dict())
    plain.load_state_dict({name: model.state_dict()[name] for name in plain.state_dict()})
    model.get_submodule("layer2.se").requires_grad_(False)
    assert model(X).shape == (2, 7)
    assert [x.shape[1:] for x in model.get_stage_outputs(X)] == [x.shape[1:] for x in _pyramid(plain)]


def _pyramid(network):
    x = network.maxpool(network.act1(network.bn1(network.conv1(X))))
    found = [x]
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        x = layer(x)
        found.append(x)
    return found


def test_a_trained_patched_network_comes_back_from_its_checkpoint(tmp_path):
    patches = {"layer4": {"wrap": "se"}}
    model = BUILDER.from_torchvision("resnet18", weights=None, patches=patches, num_classes=6, seed=4)
    torch.save(
        {"epoch": 3, "model_state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "c.pt"
    )
    again = BUILDER.from_checkpoint(tmp_path / "c.pt", "resnet18", patches)
    assert torch.equal(again(X), model(X))
    assert again.loaded.load_ratio == 1
    plain = BUILDER.from_checkpoint(tmp_path / "c.pt", "resnet18", num_classes=6)
    assert sorted(name.partition(".se.")[0] for name in plain.loaded.unexpected) == ["layer4"] * 4
    with raises(WeightsError, "unexpected"):
        BUILDER.from_checkpoint(tmp_path / "c.pt", "resnet18", strict=True)


def test_a_checkpoint_of_something_else_is_told(tmp_path):
    save_file({"weird": torch.zeros(2)}, tmp_path / "weird.safetensors")
    with raises(WeightsError, "no tensor", "weird", "conv1.weight"):
        BUILDER.from_checkpoint(tmp_path / "weird.safetensors", "resnet18")


def test_what_patches_would_change_is_told_without_weights():
    (change,) = BUILDER.preview("resnet18", {"layer3": {"wrap": "cbam_block"}})
    assert (change.block, change.shape, change.parameters) == ("layer3.cbam_block", (256, 14, 14), 8290)


def test_a_random_vit_has_a_head_that_hears():
    model = BUILDER.from_torchvision("vit_b_32", weights=None)
    assert not models.vit_b_32(weights=None).heads.head.weight.any()
    assert model.get_submodule(model.head_name).weight.std() > 0
    assert model.get_submodule(model.head_name).out_features == 1000


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"name": "resnet19"}, SourceError, ("resnet19", "resnet18")),
        ({"name": "torchvision:resnet18"}, UsageError, ("from_torchvision", '"resnet18"')),
        ({"name": "resnet18", "weights": "IMAGENET1K_V9"}, SourceError, ("IMAGENET1K_V9", "IMAGENET1K_V1")),
        ({"name": "resnet18", "weights": "no/such.pth"}, WeightsError, ("no/such.pth",)),
        ({"name": "resnet18", "weights": None, "num_classes": 0}, PlanError, ("num_classes=0",)),
        ({"name": "resnet18", "weights": None, "num_classes": True}, PlanError, ("num_classes=True",)),
        ({"name": "resnet18", "weights": None, "dropout": 1.0}, PlanError, ("dropout=1.0",)),
        ({"name": "resnet18", "weights": None, "unfreeze_stages": [3]}, PlanError, ("freeze_backbone=True",)),
        ({"name": "resnet18", "weights": None, "patches": {"layer5": {"wrap": "se"}}}, PlanError, ("layer5", "layer4")),
    ],
)
def test_wrong_words_build_nothing(options, kind, words):
    with raises(kind, *words):
        BUILDER.from_torchvision(**options)


def test_a_member_of_the_enum_of_weights_is_its_name(monkeypatch, resnet):
    weights = models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_a, **_k: resnet.state_dict())
    assert torch.equal(BUILDER.from_torchvision("resnet18", weights)(X), resnet(X))
    assert torch.equal(BUILDER.from_torchvision("resnet18", "IMAGENET1K_V1")(X), resnet(X))
    assert torch.equal(BUILDER.from_torchvision("resnet18")(X), resnet(X))
