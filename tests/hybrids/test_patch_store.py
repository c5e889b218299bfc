"""Patched networks on disk come back bit for bit, with the preprocessing of their parent, or not at all."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import suture
from raising import raises
from small import sample_split
from suture.errors import PlanError, WeightsError
from suture.hybrids import HybridModel, model_of
from suture.sources import load as load_source

SOURCE = "zoo:resnet20-a"
PATCHES = {"layer3": {"wrap": "se"}, "layer2.*.conv1": {"wrap": "lora"}}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return sample_split(4).images.batch(range(4)).float() / 255


@torch.no_grad()
def changed(network: nn.Module) -> nn.Module:
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.add_(0.01)
    return network.eval()


@pytest.fixture
def patched() -> nn.Module:
    return suture.patch(SOURCE, PATCHES, num_classes=7, dropout=0.2)


@torch.no_grad()
def same(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    return torch.equal(one(images), other(images))


def test_what_moved_what_was_added_and_a_new_head_are_kept_and_nothing_else(tmp_path, patched, images):
    model = model_of(patched).freeze("all").thaw("stage3")
    changed(patched)
    suture.save(patched, tmp_path, (SOURCE,))
    kept = set(load_file(tmp_path / "weights.safetensors"))
    wanted = {name for name in model.state_dict() if name.startswith(("layer3.", "fc.")) or ".lora." in name}
    assert kept == wanted
    assert any(name.startswith("layer2.0.conv1.lora.") for name in kept)
    for network in (load_source(f"run:{tmp_path}"), suture.load_hybrid(tmp_path, SOURCE)):
        assert network.preprocess.size == patched.preprocess.size
        assert torch.equal(network.preprocess.mean, patched.preprocess.mean)
        assert network.plan == patched.plan
        assert model_of(network).frozen == model.frozen
        assert list(network.state_dict()) == list(patched.state_dict())
        assert same(network, patched, images)


def test_with_all_weights_no_parent_is_looked_at(tmp_path, images):
    patched = changed(suture.patch(SOURCE, PATCHES))
    suture.save(patched, tmp_path, (SOURCE,), full=True)
    assert set(load_file(tmp_path / "weights.safetensors")) == set(patched.state_dict())
    assert same(load_source(f"run:{tmp_path}"), patched, images)
    assert same(suture.load_hybrid(tmp_path, "zoo:resnet20-b"), patched, images)


def test_a_module_gives_a_model_without_preprocessing(tmp_path, images):
    def parent() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

    model = changed(suture.patch(parent(), {"1": {"inject": "eca"}}, example=images))
    suture.save(model, tmp_path)
    again = suture.load_hybrid(tmp_path, parent(), example=images)
    assert isinstance(again, HybridModel)
    assert same(again, model, images)


def test_no_folder_is_in_what_is_kept(tmp_path, patched):
    suture.save(patched, tmp_path, (SOURCE,))
    told = json.loads((tmp_path / "hybrid.json").read_text())
    assert str(tmp_path) not in json.dumps(told)
    assert load_source(f"run:{tmp_path}").origin == f"run:{tmp_path.name}"


def test_another_parent_or_none_is_refused(tmp_path, patched):
    suture.save(patched, tmp_path, (SOURCE,))
    with raises(WeightsError, "zoo:resnet20-a now has weights", "full=True"):
        suture.load_hybrid(tmp_path, "zoo:resnet20-b")
    with raises(PlanError, "2 parents for a hybrid of 1 networks"):
        suture.load_hybrid(tmp_path, SOURCE, SOURCE)
    with raises(PlanError, "the sources zoo:tiny10-a", SOURCE):
        suture.save(patched, tmp_path, ("zoo:tiny10-a",))
    with raises(PlanError, "is no patched network"):
        suture.save(suture.load(SOURCE), tmp_path)
    with raises(WeightsError, "holds no map 'before'"):
        load_source(f"run:{tmp_path}?map=before")


def test_a_patched_run_is_a_network_like_any_other(tmp_path, images):
    suture.save(changed(suture.patch(SOURCE, {"layer2": {"wrap": "se"}})), tmp_path / "one", (SOURCE,))
    run = f"run:{tmp_path / 'one'}"
    assert "layer2" in [cut.name for cut in suture.cuts(run)]
    hybrid = suture.stitch(run, "zoo:tiny10-a", at=("layer2", "relu5"))
    assert hybrid(images).shape == (4, 10)
    assert suture.fuse([run, "zoo:tiny10-a"], hidden=8)(images).shape == (4, 10)
    again = suture.patch(run, {"layer3": {"inject": "eca"}})
    suture.save(changed(again), tmp_path / "two", (run,))
    assert same(load_source(f"run:{tmp_path / 'two'}"), again, images)
    assert {"layer2.se.fc1.weight", "layer3.eca.conv.weight"} <= set(again.state_dict())
