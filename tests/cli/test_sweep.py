"""``suture sweep``, and what docs/sweeps.md shows, done on fewer images."""

import json
import re
import shlex
from pathlib import Path

import pytest

from small import write_npz
from suture.recipes.read import parse_recipe, read_recipe

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "recipes" / "depth.yaml"
BLOCKS = dict(re.findall(r"```(yaml|sh)\n(.*?)```", TEXT, flags=re.DOTALL))
RECIPE = """\
steps:
  - sweep:
      stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b, fit_images: 50, stage: {epochs: 0}}
      over:
        at: [relu1:relu6, relu6:relu6]
        init: [eye, least-squares]
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    return f"npz:{write_npz(tmp_path_factory.mktemp('material') / 'small.npz', train=120, test=40)}"


@pytest.fixture
def recipe(tmp_path) -> str:
    (tmp_path / "few.yaml").write_text(RECIPE)
    return "few.yaml"


def test_the_guide_shows_the_recipe_that_lies_beside_it():
    assert parse_recipe(BLOCKS["yaml"], "guide").as_data() == read_recipe(EXAMPLE).as_data()


def test_what_the_guide_shows_works(call, data, tmp_path):
    lines = [shlex.split(line, comments=True)[1:] for line in BLOCKS["sh"].splitlines()]
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    code, out, err = call(*lines[0], "--data", data)
    assert code == 0, err
    assert "zoo:tiny10-b alone" in out
    assert "trial 12 of 12: at relu7:relu7, rank null, seed 1" in err
    result = json.loads(Path("runs/depth/result.json").read_text())
    for name in ("trials.csv", "plots/depth.png", "plots/rank.png"):
        assert (Path("runs/depth") / name).stat().st_size > 0
    trial = result["trials"][-1]
    again = [word.replace("trials/KEY", trial["folder"]) for word in lines[1]]
    code, out, err = call(*again, "--data", data, "--json")
    assert code == 0, err
    assert json.loads(out)["accuracy"] == trial["accuracy"]["after"]


def test_the_table_has_a_row_a_combination_and_what_was_left_out(call, data, recipe):
    code, out, err = call("sweep", recipe, "--data", data)
    assert code == 0, err
    rows = [re.split(r"\s*│\s*", line.strip("│ ")) for line in out.splitlines() if line.startswith("│")]
    assert [row[:2] for row in rows] == [
        ["relu1 → relu6", "least-squares"],
        ["relu6", "eye"],
        ["relu6", "least-squares"],
    ]
    assert all(re.fullmatch(r"\d+\.\d%|–", cell) for row in rows for cell in row[2:])
    assert "1 left out: " in out
    assert "1 of 4 combinations are left out" in err
    assert "Everything is in runs/few" in err


def test_json_and_suture_run_give_the_same(call, data, recipe):
    code, out, err = call("sweep", recipe, "--data", data, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert set(told) == {"run", "data", "split", "n", "parents", "over", "trials", "skipped"}
    code, out, err = call("run", recipe, "--data", data, "--name", "again", "--json")
    assert code == 0, err
    assert json.loads(out) == told | {"run": "again"}
    code, out, err = call("run", "runs/few/recipe.yaml", "--name", "few")
    assert code == 0, err
    assert "1 left out: " in out


def test_a_printed_recipe_is_the_same_recipe(call, recipe):
    code, out, _ = call("sweep", recipe, "--print-config", "--seed", "3")
    assert code == 0
    Path("printed.yaml").write_text(out)
    assert call("sweep", "printed.yaml", "--print-config")[:2] == (0, out)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("steps:\n  - eval: {model: zoo:tiny10-a}\n", ("has no sweep among its steps", "suture run wrong.yaml")),
        (RECIPE.replace("init: [eye, ", "inti: [eye, "), ("line 6: over.inti: ", "nearest: init")),
        (RECIPE.replace("at: [relu1:relu6, ", "at: [relu1:relu6, relu1:relu6, "), ("line 5: over.at.1: listed twice",)),
        (RECIPE.replace("relu6", "relu66"), ("none of 4 combinations makes a stitch", "relu66")),
    ],
)
def test_wrong_use_is_said(call, text, told):
    Path("wrong.yaml").write_text(text)
    code, out, err = call("sweep", "wrong.yaml")
    assert (code, out) == (2, "")
    for part in told:
        assert part in err
    assert "Traceback" not in err
    assert [path.name for path in Path().iterdir()] == ["wrong.yaml"]
