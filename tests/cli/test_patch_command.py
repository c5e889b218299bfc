"""suture patch, as a new user meets it."""

import json

import pytest

from raising import raises
from small import write_npz
from suture.cli.patch import read_change
from suture.errors import RecipeError
from suture.recipes.read import parse_recipe

A = "zoo:resnet20-a"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('patched') / 'small.npz', train=60, test=20)}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("layer3=se", {"target": "layer3", "block": "se"}),
        ("layer*.1=se reduction=8", {"target": "layer*.1", "block": "se", "params": {"reduction": 8}}),
        ("a=gem p=2.5 x=true", {"target": "a", "block": "gem", "params": {"p": 2.5, "x": True}}),
        ("a=eca position=before", {"target": "a", "block": "eca", "position": "before"}),
        ("a=eca identity_start", {"target": "a", "block": "eca", "identity_start": True}),
        ("a=eca allow_change=false", {"target": "a", "block": "eca", "allow_change": False}),
        ("a=se act=[", {"target": "a", "block": "se", "params": {"act": "["}}),
    ],
)
def test_a_change_is_read(text, found):
    assert read_change("inject", text) == {"operation": "inject"} | found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("names no layer and block", '--wrap "layer3=se reduction=16"')),
        ("layer4", ("names no layer and block", '"layer4=se')),
        ("=se", ("names no layer and block",)),
        ("layer4=", ("names no layer and block",)),
        ("layer4=se reduction", ("'reduction' in --wrap 'layer4=se reduction' sets nothing", "reduction=...")),
        ("layer4=se reduction=", ("sets nothing", "reduction=...")),
        ("layer4=se =8", ("sets nothing",)),
    ],
)
def test_what_is_no_change_is_told_with_what_to_type(text, words):
    with raises(RecipeError, *words):
        read_change("wrap", text)


def test_options_become_a_recipe(call, tmp_path):
    changes = ("--wrap", "layer3=se", "--inject", "layer2=eca position=before", "--replace", "fc=lora rank=2")
    stages = ("--stage", "head,blocks epochs=5", "--stage", "backbone:1,head,blocks epochs=5 lr=1e-4")
    more = ("--identity-start", "--dropout", "0.3", "--new-head", "--controls", "--seeds", "2")
    code, out, err = call("patch", A, *changes, *stages, *more, "--print-config")
    assert code == 0, err
    (step,) = parse_recipe(out, "mine.yaml").steps
    assert [str(patch) for patch in step.patches] == [
        "replace fc=lora rank=2",
        "wrap layer3=se",
        "inject layer2=eca position=before",
    ]
    assert [stage.moves for stage in step.stages] == [("head", "blocks"), ("backbone:1", "head", "blocks")]
    assert (step.stages[0].optimizer, step.stages[1].lr) == ("adamw", 1e-4)
    assert (step.identity_start, step.dropout, step.new_head, step.controls, step.seeds) == (True, 0.3, True, True, 2)
    assert list(tmp_path.iterdir()) == []


def test_shared_options_go_to_the_default_stages(call):
    code, out, err = call("patch", A, "--epochs", "1,2", "--augment", "flip", "--print-config")
    assert code == 0, err
    (step,) = parse_recipe(out, "mine.yaml").steps
    told = [(stage.moves, stage.epochs, stage.augment) for stage in step.stages]
    assert told == [(("head", "blocks"), 1, ()), (("all",), 2, ("flip",))]


def test_a_dry_run_tells_what_would_change_and_writes_nothing(call, tmp_path):
    changes = ("--wrap", "layer3=se reduction=8", "--inject", "layer*.1=eca", "--data", "folder:nowhere")
    code, out, err = call("patch", A, *changes, "--dry-run")
    assert code == 0, err
    assert "reduction=8" in out
    assert "layer2.1" in out
    assert "nothing was trained or written" in out
    code, out, err = call("patch", A, *changes, "--dry-run", "--json")
    assert code == 0, err
    told = json.loads(out)
    count = told["parameters"]
    assert [one["name"] for one in told["patches"]] == ["layer3.se", "layer1.1.eca", "layer2.1.eca", "layer3.1.eca"]
    assert count["after"] - count["before"] == count["added"] == sum(o["parameters_added"] for o in told["patches"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--wrap", "layer9=se"), ("'layer9' is no layer", "layer3")),
        (("--wrap", "layer3=sse"), ("there is no block 'sse'", "se")),
        (("--wrap", "layer3=se reductoin=8"), ("se has no parameter 'reductoin'", "reduction=8")),
        (("--wrap", "layer3=se position=before"), ("only inject has one",)),
        (("--replace", "layer3=se"), ("layer3", "instead:")),
        (("--stage", "backbones epochs=1"), ("no part backbones", "backbone")),
        (("--stage", "backbone:7"), ("the last 7 stages", "backbone:3")),
        (("--tta", "flop"), ("tta: 'flop'", "flip")),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_mistakes_are_told_and_leave_nothing_behind(call, tmp_path, data, options, words, dry):
    code, out, err = call("patch", A, *options, "--data", data, *dry)
    assert (code, out) == (2, "")
    for word in words:
        assert word in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_run_from_the_command_line(call, data):
    first = ("--stage", "head,blocks epochs=1", "--data", data, "--controls", "--identity-start")
    code, out, err = call("patch", A, "--wrap", "layer3=se", *first, "--out", "seen")
    assert code == 0, err
    for word in ("before training", "patched", "without patches", "layer3", "test images right"):
        assert word in out
    code, out, err = call("run", "seen/recipe.yaml", "--out", "seen", "--json")
    assert code == 0, err
    told = json.loads(out)
    code, out, err = call("eval", "seen", "--json", "--out", "scored")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == told["accuracy"]
    code, out, err = call("layers", "seen", "--json")
    assert code == 0, err
    assert json.loads(out)["parameters"] == told["parameters"]["total"]
