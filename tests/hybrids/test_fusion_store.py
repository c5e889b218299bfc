"""Fusions on disk come back bit for bit, or not at all."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import suture
from raising import raises
from small import sample_split
from suture.errors import PlanError, WeightsError
from suture.hybrids import Fusion, Parent, fuse, load, parent, save
from suture.sources import load as load_source
from suture.spec.names import FUSIONS

SOURCES = ("zoo:tiny10@none", "zoo:resnet20@none")


@pytest.fixture(scope="module")
def images() -> Tensor:
    return sample_split(4).images.batch(range(4)).float() / 255


@pytest.fixture(scope="module")
def sides() -> list[Parent]:
    return [parent(source) for source in SOURCES]


@torch.no_grad()
def changed(fusion: Fusion) -> Fusion:
    for parameter in fusion.parameters():
        if parameter.requires_grad:
            parameter.add_(0.01)
    return fusion.eval()


@pytest.mark.parametrize("method", FUSIONS)
def test_every_kind_comes_back(tmp_path, sides, images, method):
    fusion = changed(fuse(sides, method, hidden=16, width=8))
    save(fusion, tmp_path, SOURCES)
    again = load(tmp_path, sides)
    assert again.plan == fusion.plan
    assert again.frozen == fusion.frozen
    with torch.no_grad():
        assert torch.equal(again(images), fusion(images))


@pytest.mark.parametrize("moved", ["head", "backbones:1", "all"])
def test_what_moved_is_kept_and_nothing_else(tmp_path, sides, images, moved):
    fusion = fuse(sides, hidden=16).thaw(moved)
    fusion.classes = tuple("abcdefghij")
    save(changed(fusion), tmp_path, SOURCES)
    kept = set(load_file(tmp_path / "weights.safetensors"))
    starts = tuple(f"{name}." for name in (*fusion.named(moved), "head"))
    assert kept == {name for name in fusion.state_dict() if name.startswith(starts)}
    network = load_source(f"run:{tmp_path}")
    assert network.classes == tuple("abcdefghij")
    with torch.no_grad():
        assert torch.equal(network(images), fusion(images))


def test_a_frozen_head_is_kept_as_well(tmp_path, sides, images):
    fusion = changed(fuse(sides, hidden=16)).freeze("all")
    save(fusion, tmp_path, SOURCES)
    with torch.no_grad():
        assert torch.equal(load(tmp_path, sides)(images), fusion(images))


def test_with_all_weights_no_parent_is_looked_at(tmp_path, sides, images):
    fusion = changed(fuse(sides, hidden=16))
    save(fusion, tmp_path, SOURCES, full=True)
    assert set(load_file(tmp_path / "weights.safetensors")) == set(fusion.state_dict())
    with torch.no_grad():
        assert torch.equal(load(tmp_path, [parent(s, seed=5) for s in SOURCES])(images), fusion(images))


def test_the_face_loads_fusions_of_any_number_of_modules(tmp_path, images):
    networks = [suture.load(source) for source in SOURCES]
    for some in (networks[:1], networks):
        fusion = suture.fuse(some, "add", num_classes=3, hidden=16, width=8)
        suture.save(fusion, tmp_path / str(len(some)))
        again = suture.load_hybrid(tmp_path / str(len(some)), *some)
        with torch.no_grad():
            assert torch.equal(again(images), fusion(images))


def test_a_saved_fusion_is_a_network_like_others(tmp_path, sides, images):
    save(changed(fuse(sides, hidden=16)), tmp_path, SOURCES)
    run = parent(f"run:{tmp_path}")
    assert run.cuts[-1].name == "head.classifier.2"
    stitched = suture.stitch(run, sides[1], ("cat", "mean"))
    assert stitched(images).shape == (4, 10)
    twice = suture.fuse([run, sides[0]], num_classes=3, hidden=8)
    assert twice.shapes == ((16,), (64,))
    assert twice(images).shape == (4, 3)


def test_another_parent_or_another_number_of_them_is_refused(tmp_path, sides):
    save(fuse(sides, hidden=16), tmp_path, SOURCES)
    with raises(WeightsError, "zoo:resnet20@none now has weights"):
        load(tmp_path, [sides[0], parent(SOURCES[1], seed=3)])
    with raises(PlanError, "1 parents for a hybrid of 2"):
        load(tmp_path, sides[:1])


def test_weights_of_another_plan_are_refused(tmp_path, sides):
    save(fuse(sides, hidden=16), tmp_path, SOURCES)
    path = tmp_path / "weights.safetensors"
    state = load_file(path)
    for wrong in (
        {name: tensor for name, tensor in state.items() if name != "head.classifier.0.bias"},
        state | {"head.classifier.0.bias": torch.zeros(3)},
        state | {"head.other": torch.zeros(3)},
    ):
        save_file(wrong, path)
        with raises(WeightsError, "does not fit the plan"):
            load(tmp_path, sides)


def test_a_fusion_has_no_maps_and_tells_of_no_path(tmp_path, sides):
    save(fuse(sides, hidden=16), tmp_path, SOURCES)
    with raises(WeightsError, "holds no map 'direct'"):
        load_source(f"run:{tmp_path}?map=direct")
    told = json.loads((tmp_path / "hybrid.json").read_text())
    assert told["plan"]["join"] == "fuse"
    assert str(tmp_path) not in json.dumps(told)
