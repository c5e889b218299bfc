"""The options that divide data, as a person types them."""

import json
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from small import write_npz


@pytest.fixture(scope="module")
def undivided(tmp_path_factory) -> str:
    """100 images of the sample, the first five twice, in an npz without a test split; pairs are groups."""
    path = write_npz(tmp_path_factory.mktemp("material") / "small.npz", train=100, test=5)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name.endswith("train")}
    arrays = {name: np.concatenate([array, array[:5]]) for name, array in arrays.items()}
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_options_become_the_recipe(call):
    given = ["--test-share", "0.2", "--val-share", "0.1", "--group", "who.csv:patient", "--split-seed", "4"]
    given += ["--check-duplicates", "--deterministic", "--skip-bad"]
    code, out, err = call("train", "zoo:tiny10", *given, "--print-config")
    assert code == 0, err
    recipe = YAML(typ="safe", pure=True).load(out)
    assert recipe["splits"] == {"test": 0.2, "val": 0.1, "group": "who.csv:patient", "duplicates": True, "seed": 4}
    assert recipe["deterministic"] is True
    assert recipe["skip_bad"] is True
    code, out, _ = call("train", "zoo:tiny10", "--print-config")
    recipe = YAML(typ="safe", pure=True).load(out)
    assert recipe["splits"] == {"test": 0.0, "val": None, "group": None, "duplicates": False, "seed": None}


def test_they_stand_in_a_panel_of_their_own(call):
    code, out, _ = call("eval", "--help")
    assert code == 0
    panel = out[out.index("─ Data ─") :]
    for option in ("--data", "--test-share", "--val-share", "--group", "--check-duplicates", "--skip-bad"):
        assert option in panel
    assert "FILE.csv:COLUMN" in panel


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--group", "who.csv"], ["group 'who.csv' names no column of a file", "FILE.csv:COLUMN"]),
        (["--group", "gone.csv:patient"], ["the groups gone.csv cannot be read"]),
        (["--val-share", "0"], ["splits.val", "greater than 0"]),
        (["--test-share", "1"], ["--test-share"]),
    ],
)
def test_wrong_values(call, given, words):
    code, _, err = call("eval", "zoo:tiny10-a", *given, "--name", "x")
    assert code == 2
    for word in words:
        assert word in " ".join(err.split())
    assert not Path("runs").exists()


def test_a_test_share_is_scored_and_duplicates_are_told(call, undivided):
    given = ["zoo:tiny10-a", "--data", undivided, "--test-share", "0.2", "--split-seed", "1"]
    code, out, err = call("eval", *given, "--check-duplicates", "--json")
    assert code == 0, err
    assert json.loads(out)["n"] == 20
    code, _, err = call("eval", *given, "--check-duplicates", "--name", "told")
    assert code == 0, err
    assert "pairs of nearly equal images on two sides" in " ".join(err.split())


def test_groups_keep_copies_on_one_side(call, undivided):
    names = [f"train/{number},{number % 100}\n" for number in range(105)]
    Path("who.csv").write_text("file,picture\n" + "".join(names))
    given = ["--data", undivided, "--test-share", "0.3", "--group", "who.csv:picture", "--check-duplicates"]
    code, _, err = call("eval", "zoo:tiny10-a", *given)
    assert code == 0, err
    assert "no nearly equal images on two sides" in " ".join(err.split())
