"""A sample of benchmarks/patch_anything: six families, each patched at every stage; and what is stored of the rest."""

import json
from pathlib import Path

import pytest
import torch
from patching import Finding, _built, examine, family

import suture
from suture import HybridBuilder
from suture.graph import trace

RESULTS = Path(__file__).parents[2] / "benchmarks" / "patch_anything" / "results"
SAMPLE = {
    "timm:test_convnext": 4,
    "timm:test_efficientnet": 5,
    "timm:test_mambaout": 4,
    "timm:test_resnet": 4,
    "timm:test_vit": 4,
    "torchvision:squeezenet1_1": 3,
}


def test_the_sample_is_of_six_families():
    assert len({family(name) for name in SAMPLE}) == 6


@pytest.mark.parametrize("name", SAMPLE)
def test_every_stage_takes_blocks_and_the_network_stays_itself_without_them(name):
    found = examine(name)
    assert found.good, found
    assert len(found.stages) == SAMPLE[name]
    assert found.blocks == 2 * SAMPLE[name]


def test_the_stages_of_a_patched_network_are_those_of_the_plain_one():
    torch.manual_seed(0)
    plain = _built("timm:test_vit", {})
    outputs = [section.output for section in plain.sections]
    patched = _built("timm:test_vit", {name: [{"wrap": "se"}, {"inject": "eca"}] for name in outputs})
    assert [section.output for section in patched.sections] == outputs
    assert patched.stage_names == plain.stage_names
    assert [section.parameters for section in patched.sections] == [section.parameters for section in plain.sections]
    inside = {name for section in patched.sections for name in section.parameters}
    added = {name for name, _ in patched.named_parameters()} - {name for name, _ in plain.named_parameters()}
    assert len(added) == 5 * len(outputs)
    assert not inside & added


@pytest.mark.parametrize(("name", "tracer"), [("test_vit", "fx"), ("vit_tiny_patch16_dinov3_qkvb", "export")])
def test_a_patched_network_is_followed_as_the_plain_one_is(name, tracer):
    patched = suture.patch(f"timm:{name}@none?size=32", {"blocks.0": {"wrap": "se"}}).body
    assert trace(patched, torch.rand(2, 3, 32, 32)).tracer == tracer
    assert len(patched.stage_names) == 4


def test_nothing_shown_is_not_good():
    found = Finding("torchvision:resnet18", "torchvision.resnet")
    assert not found.good
    assert found.as_dict()["good"] is False


def test_all_classifiers_of_torchvision_are_stored_and_good():
    stored = [json.loads(line) for line in (RESULTS / "models.jsonl").read_text(encoding="utf-8").splitlines()]
    known = {f"torchvision:{name}" for name in HybridBuilder.list_backbones()}
    good = {one["name"] for one in stored if one["good"]}
    assert known <= good, known - good
