"""suture fuse, as a new user meets it: misspelt words, run folders in every command, recipes of every verb."""

import json

import pytest

from small import write_npz
from suture.cli.explain import _change
from suture.cli.run import TABLES
from suture.recipes.read import parse_recipe
from suture.recipes.tune import spelled
from suture.spec.recipe import STEPS, Splits

A, B = "zoo:tiny10-a", "zoo:tiny10-b"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('fused') / 'small.npz')}"


@pytest.fixture
def fused(call, data) -> str:
    """The folder of a fusion that was not trained."""
    code, _, err = call("fuse", A, B, "--data", data, "--method", "logit-average", "--epochs", "0", "--out", "fused")
    assert code == 0, err
    return "fused"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--method", "gatd"), ("method: 'gatd'", "concat, bottleneck", "gated")),
        (("--tta", "flop"), ("tta: 'flop'", "none, flip or crops", "flip")),
        (("--schedule", "cosin"), ("schedule of stage 1: 'cosin'", "one-cycle, cosine or step", "cosine")),
        (("--stage", "haed epochs=1"), ("moves of stage 1: 'haed' is no part", "head, blocks", "head")),
        (("--stage", "head", "--stage", "all loss=fokal"), ("loss of stage 2: 'fokal'", "cross-entropy", "focal")),
        (("--stage", "head lr=x loss=fokal"), ("lr of stage 1", "loss of stage 1", "--help")),
    ],
)
def test_misspelt_words_are_told_with_what_to_type(call, tmp_path, options, told):
    code, out, err = call("fuse", A, B, *options)
    assert (code, out) == (2, "")
    assert all(words in err for words in told[:2])
    assert told[2] in err.partition("instead:")[2]
    assert list(tmp_path.iterdir()) == []


def test_every_verb_of_a_recipe_has_a_table():
    assert set(TABLES) == set(STEPS)


def test_the_recipe_of_an_explanation_runs_again(call, data):
    code, _, err = call("explain", A, "--data", data, "--count", "1", "--out", "seen")
    assert code == 0, err
    code, out, err = call("run", "seen/recipe.yaml", "--out", "again")
    assert code == 0, err
    assert "images looked at are answered right" in out


def test_a_run_folder_has_layers(call, fused):
    code, out, err = call("layers", fused, "--json")
    assert code == 0, err
    assert json.loads(out)["network"] == "run:fused"


@pytest.mark.usefixtures("fused")
def test_a_folder_without_a_network_is_told_as_one(call, data):
    code, _, err = call("eval", A, "--data", data, "--out", "scored")
    assert code == 0, err
    code, _, err = call("layers", "scored")
    assert code == 2
    assert "scored is no finished run with a network in it" in err
    assert "fuse" in err
    assert "run:scored" not in err.partition("instead:")[2]
    assert "run:fused" in err.partition("instead:")[2]


def test_a_recipe_is_run_on_data_divided_by_options(call, tmp_path):
    divided = ("--test-share", "0.2", "--group", "patients.csv:patient", "--check-duplicates", "--split-seed", "0")
    code, out, err = call("run", "hybrid-cnn", "--data", "folder:scans", *divided, "--print-config")
    assert code == 0, err
    (tmp_path / "mine.yaml").write_text(out)
    code, out, err = call("run", "mine.yaml", "--val-share", "0.3", "--skip-bad", "--print-config")
    assert code == 0, err
    recipe = parse_recipe(out, "mine.yaml")
    assert recipe.splits == Splits(test=0.2, val=0.3, group="patients.csv:patient", duplicates=True, seed=0)
    assert (recipe.data, recipe.skip_bad) == ("folder:scans", True)
    code, _, err = call("run", "mine.yaml", "--group", "patients.csv", "--print-config")
    assert code == 2
    assert "patients.csv:patient" in err


def test_a_tried_rate_is_told_as_a_factor():
    assert spelled({"lr": 1.614, "schedule": "cosine"}) == "lr × 1.61, schedule cosine"


def test_what_is_lost_without_a_backbone_is_told_by_its_sign():
    assert _change("accuracy", -1.25, "{:.2f} points") == "accuracy falls by 1.25 points"
    assert _change("accuracy", 1.25, "{:.2f} points") == "accuracy rises by 1.25 points"
    assert _change("accuracy", 0.0, "{:.2f} points") == "accuracy stays"
