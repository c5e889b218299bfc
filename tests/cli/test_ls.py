"""``suture ls``."""

import json
import socket

import pytest

from suture.cli.ls import matches
from suture.recipes.templates import SHIPPED
from suture.spec.names import BLOCKS, FUSIONS


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("ls has no business on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def listed(call, *arguments):
    code, out, err = call("ls", "models", *arguments, "--json")
    assert (code, err) == (0, "")
    return {entry["name"]: entry for entry in json.loads(out)["models"]}


def test_every_network_is_listed_with_its_weights(call):
    found = listed(call)
    kinds = {entry["kind"] for entry in found.values()}
    assert kinds == {"zoo", "torchvision", "timm"}
    assert len([name for name in found if name.startswith("timm:")]) > 1000
    assert found["zoo:tiny10-a"]["weights"] == "bundled"
    assert found["zoo:tiny10"]["weights"] == "none"
    assert found["torchvision:resnet50"]["tags"] == ["IMAGENET1K_V2", "IMAGENET1K_V1"]
    assert found["timm:resnet18"]["tags"][0] == "a1_in1k"
    assert found["timm:botnet50ts_256"]["weights"] == "none"
    assert all(bool(entry["tags"]) == (entry["weights"] == "published") for entry in found.values())


def test_a_filter_is_a_part_of_the_name_or_a_pattern(call):
    found = listed(call, "--filter", "ResNet")
    assert {"zoo:resnet20-a", "zoo:resnet20", "torchvision:resnet18", "timm:wide_resnet50_2"} <= set(found)
    assert all("resnet" in name for name in found)
    assert list(listed(call, "--filter", "timm:vit_tiny_patch16_???")) == [
        "timm:vit_tiny_patch16_224",
        "timm:vit_tiny_patch16_384",
    ]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("", "timm:vit", True),
        ("VIT", "timm:levit_128", True),
        ("vit*", "timm:levit_128", False),
        ("vit*", "timm:ViT_128", True),
        ("timm:*", "timm:vit", True),
        ("timm:*", "zoo:tiny10", False),
        ("*10", "zoo:tiny10", True),
        ("tiny1?", "zoo:tiny10", True),
        ("tiny?", "zoo:tiny10", False),
    ],
)
def test_what_fits(pattern, name, fits):
    assert matches(pattern, name) is fits


@pytest.mark.parametrize("width", ["80", "120"])
def test_all_models_fit_on_a_screen(call, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    code, out, _ = call("ls", "models")
    assert code == 0
    assert "zoo:tiny10-a" in out
    assert "timm: 13" in out
    assert "--filter TEXT" in out
    assert len(out.splitlines()) < 50
    assert max(map(len, out.splitlines())) <= int(width)


def test_the_table_says_which_weights_there_are(call):
    _, out, _ = call("ls", "models", "--filter", "tiny10")
    assert "bundled" in out
    assert "@none or @PATH" in out
    _, out, _ = call("ls", "models", "--filter", "timm:resnet18")
    assert "gluon_in1k" in out
    assert "timm" in out


@pytest.mark.parametrize(
    ("what", "pattern", "near"),
    [("models", "resnt18", "resnet18"), ("models", "timm:vit_tinny*", "vit_tiny"), ("data", "cifar11", "cifar10")],
)
def test_a_filter_that_nothing_fits_is_answered_with_the_nearest(call, what, pattern, near):
    code, out, err = call("ls", what, "--filter", pattern)
    assert (code, out) == (0, "")
    assert f"no {what} fit {pattern!r}" in err
    assert near in err
    code, out, _ = call("ls", what, "--filter", pattern, "--json")
    assert (code, json.loads(out)) == (0, {what: []})


def test_the_other_lists(call):
    for what, name in (("data", "sample"), ("adapters", "linear")):
        code, out, _ = call("ls", what)
        assert code == 0
        assert name in out
    code, out, err = call("ls", "runs")
    assert (code, out) == (0, "")
    assert "no runs here" in err
    code, _, err = call("ls", "modles")
    assert code == 2
    assert "suture ls models" in err


@pytest.mark.parametrize(("what", "known"), [("fusions", FUSIONS), ("blocks", BLOCKS), ("recipes", SHIPPED)])
def test_fusions_blocks_and_recipes_are_told_in_words(call, what, known):
    code, out, _ = call("ls", what, "--json")
    assert code == 0
    told = json.loads(out)[what]
    assert tuple(entry["name"] for entry in told) == known
    assert all(len(entry["what"].split()) > 3 for entry in told)


def test_blocks_are_listed_with_their_parameters(call):
    code, out, _ = call("ls", "blocks", "--filter", "eca", "--json")
    assert code == 0
    (entry,) = json.loads(out)["blocks"]
    assert entry["parameters"] == {"kernel_size": None}
    assert "kernel_size=as fits" in entry["what"]
    code, out, _ = call("ls", "blocks")
    assert code == 0
    assert "rank=8" in out
