"""A sample of benchmarks/patch_anything: six families, each patched at every stage; and what is stored of the rest."""

import json
from pathlib import Path

import pytest
import torch

from patching import Finding, _built, examine, family
from suture import HybridBuilder

RESULTS = Path(__file__).parents[2] / "benchmarks" / "patch_anything" / "results"
SAMPLE = {
    "timm:test_convnext": 4,
    "timm:test_efficientnet": 4,
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


def test_what_went_wrong_is_told():
    found = examine("torchvision:resnet999")
    assert not found.good
    assert "resnet999" in found.failure
    assert not Finding("torchvision:resnet18", "").good


def test_all_classifiers_of_torchvision_are_stored_and_good():
    stored = [json.loads(line) for line in (RESULTS / "models.jsonl").read_text(encoding="utf-8").splitlines()]
    known = {f"torchvision:{name}" for name in HybridBuilder.list_backbones()}
    good = {one["name"] for one in stored if one["good"]}
    assert known <= good, known - good
