"""A sample of benchmarks/cut_anything: twelve families, each hard in its own way; and what the docs say of the rest."""

import json
from pathlib import Path

import pytest
from law import BLOCKS, check
from makers import family, ready
from run import RESULTS, names

ROOT = Path(__file__).parents[2]
SAMPLE = {
    "torchvision:googlenet": ("fx", ("aux1", "aux2")),
    "torchvision:shufflenet_v2_x0_5": ("fx", ()),
    "torchvision:swin_t": ("fx", ()),
    "timm:levit_128s": ("fx", ()),
    "timm:mvitv2_tiny": ("fx", ()),
    "timm:naflexvit_base_patch16_gap": ("fx", ()),
    "timm:pit_ti_distilled_224": ("fx", ()),
    "timm:test_byobnet": ("fx", ()),
    "timm:test_convnext2": ("fx", ()),
    "timm:test_vit3": ("fx", ()),
    "timm:vit_tiny_patch16_dinov3_qkvb": ("export", ()),
    "timm:xcit_nano_12_p16_224": ("fx", ()),
}


def test_the_sample_is_of_twelve_families():
    assert len({family(name) for name in SAMPLE}) == 12


@pytest.mark.parametrize("name", SAMPLE)
def test_the_halves_are_the_network(name):
    made = ready(name)
    found = check(name, made.network, made.images, fine=4)
    assert found.lawful, found
    assert found.block_cuts >= BLOCKS
    assert (found.tracer, found.auxiliary) == SAMPLE[name]


def test_the_docs_tell_every_failure_of_the_list():
    stored = [json.loads(line) for line in (RESULTS / "models.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(one["name"] for one in stored) == sorted(names())
    page = (ROOT / "docs" / "cuts.md").read_text(encoding="utf-8")
    few = [one["name"] for one in stored if one["block_cuts"] < BLOCKS or not one["lawful"]]
    assert few
    assert all(f"`{name}`" in page for name in few), few
    told = json.loads((RESULTS / "summary.json").read_text(encoding="utf-8"))
    for figure in (told["networks"], told["lawful"], told["with_4_block_cuts_or_more"], told["cuts_tried"]):
        assert f"{figure:,}" if isinstance(figure, int) else figure in page
