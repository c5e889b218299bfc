"""Hybrids on disk come back bit for bit, or not at all."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from raising import raises
from small import sample_split
from suture.errors import PlanError, SourceError, WeightsError
from suture.hybrids import load, parent, save, stitch
from suture.sources import load as load_source

A, B = "zoo:tiny10@none", "zoo:resnet20@none"
AT = ("relu5", "layer2.2")


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return sample_split(4).images.batch(range(4)).float() / 255


@pytest.mark.parametrize("moved", [(), ("decoder",), ("encoder", "decoder")])
@pytest.mark.parametrize("classes", [None, 4])
def test_round_trip(tmp_path, images, moved, classes):
    hybrid = stitch(A, B, AT, images=images, classes=classes).thaw(*moved)
    with torch.no_grad():
        for part in ("adapter", *moved):
            for parameter in hybrid.get_submodule(part).parameters():
                parameter.add_(0.01)
    save(hybrid, tmp_path, (A, B))
    again = load(tmp_path, (parent(A), parent(B)))
    assert again.plan == hybrid.plan
    assert again.frozen == hybrid.frozen
    with torch.no_grad():
        assert torch.equal(again(images), hybrid.eval()(images))
        assert torch.equal(load_source(f"run:{tmp_path}")(images), hybrid(images))


def test_only_what_is_new_is_kept_unless_all_is_asked_for(tmp_path, images):
    hybrid = stitch(A, B, AT, images=images)
    save(hybrid, tmp_path / "new", (A, B))
    save(hybrid, tmp_path / "all", (A, B), full=True)
    assert set(load_file(tmp_path / "new" / "weights.safetensors")) == {"adapter.map.weight", "adapter.map.bias"}
    assert set(load_file(tmp_path / "all" / "weights.safetensors")) == set(hybrid.state_dict())
    other = parent("zoo:tiny10@none", seed=5), parent("zoo:resnet20@none", seed=5)
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "all", other)(images), hybrid(images))


def test_a_hybrid_can_be_cut_and_stitched_again(tmp_path, images):
    save(stitch(A, B, AT, images=images), tmp_path, (A, B))
    side = parent(f"run:{tmp_path}")
    names = [cut.name for cut in side.traced.cuts()]
    assert "adapter" in names
    again = stitch(side, A, ("adapter", "relu5"))
    assert again(images).shape == (4, 10)


def test_another_parent_is_refused(tmp_path, images):
    save(stitch(A, B, AT, images=images), tmp_path)
    with pytest.raises(WeightsError, match="now has weights"):
        load(tmp_path, (parent(A, seed=3), parent(B)))


def test_a_folder_without_a_hybrid_is_refused(tmp_path, images):
    with pytest.raises(PlanError, match="holds no hybrid"):
        load(tmp_path, (parent(A), parent(B)))
    with pytest.raises(SourceError, match="no finished run"):
        load_source(f"run:{tmp_path / 'nothing'}")
    save(stitch(A, B, AT, images=images), tmp_path)
    with pytest.raises(SourceError, match="does not say where"):
        load_source(f"run:{tmp_path}")


def test_weights_of_another_plan_are_refused(tmp_path, images):
    save(stitch(A, B, AT, images=images), tmp_path, (A, B))
    save_file({"adapter.map.weight": torch.zeros(32, 32, 1, 1)}, tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match="does not fit the plan"):
        load(tmp_path, (parent(A), parent(B)))


def test_the_description_holds_the_plan_and_no_path(tmp_path, images):
    save(stitch(A, B, AT, images=images), tmp_path, (A, B))
    told = json.loads((tmp_path / "hybrid.json").read_text())
    assert told["plan"]["parts"][0]["cut"] == "relu5"
    assert str(tmp_path) not in json.dumps(told)


def test_sources_of_other_networks_are_not_written(tmp_path):
    hybrid = stitch(A, B, AT)
    for wrong in ((A,), (B, A)):
        with raises(PlanError, "those of the plan, in its order"):
            save(hybrid, tmp_path / "hybrid", wrong)
    assert not (tmp_path / "hybrid").exists()


def test_a_seed_draws_the_same_networks_again(tmp_path, images, monkeypatch):
    hybrid = stitch(A, B, AT, seed=5)
    monkeypatch.chdir(tmp_path)
    save(hybrid, "runs/seeded", (A, B), seed=5)
    again = load_source("run:seeded")
    with torch.no_grad():
        assert torch.equal(again(images), hybrid(images))
