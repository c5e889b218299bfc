"""``suture validate``, ``init``, ``schema``, and ``run --set``, as they are typed."""

import json
import subprocess
import sys
from typing import NamedTuple

import pytest

from suture.recipes.templates import SHIPPED

GOOD = "steps:\n  - stitch: {a: zoo:tiny10-a, b: zoo:tiny10-b, at: relu5:relu5}\n"
BAD = "sed: 3\nsteps:\n  - stitch: {a: zoo:tiny10-a, b: zoo:tiny10-c}\n"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def suture(call, tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "cut.yaml").write_text(GOOD.replace("relu5:relu5", "relu5:relu55"))
    return lambda *words: Done(*call(*words))


@pytest.mark.usefixtures("suture")
def test_validate_says_what_a_recipe_would_do(tmp_path):
    """In a process of its own, of which nothing else is heard."""
    words = [sys.executable, "-m", "suture", "validate", "good.yaml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("good.yaml: stitch zoo:tiny10-a and zoo:tiny10-b (")


def test_validate_tells_all_that_is_wrong_in_all_files(suture):
    done = suture("validate", "good.yaml", "bad.yaml", "cut.yaml", "none.yaml")
    assert done.returncode == 2
    assert done.stdout.startswith("good.yaml: stitch")
    for words in ("line 1: sed: no such field; nearest: seed", "line 2: at: the network has no layer 'relu55'"):
        assert words in done.stderr
    assert "none.yaml cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_validate_as_json(suture):
    done = suture("validate", "good.yaml", "bad.yaml", "--set", "seed=4", "--json")
    assert done.returncode == 2
    good, bad = json.loads(done.stdout)["files"]
    assert (good["valid"], good["steps"][0]["networks"]) == (True, ["zoo:tiny10-a", "zoo:tiny10-b"])
    assert not bad["valid"]
    first, second = bad["problems"]
    assert first.startswith("line 1: sed: no such field; nearest: seed")
    assert second.startswith("line 3: b: the zoo has no 'tiny10-c'")


def test_what_is_set_is_what_runs(suture):
    words = ("run", "good.yaml", "--set", "steps.0.stitch.stage.lr=1e-4", "--set", "seed=7")
    printed = suture(*words, "--print-config")
    assert printed.returncode == 0
    assert "lr: 0.0001" in printed.stdout
    assert "seed: 7" in printed.stdout
    wrong = suture("run", "good.yaml", "--set", "steps.0.stitch.stage.epoch=1")
    assert wrong.returncode == 2
    assert "stage.epoch: no such field; nearest: epochs" in wrong.stderr


def test_run_tells_what_does_nothing(suture, tmp_path):
    text = "backbone: zoo:tiny10-a\ntraining: {epochs: 1,\n  warmup_epochs: 5}\n"
    (tmp_path / "guide.yaml").write_text(text)
    done = suture("run", "guide.yaml", "--print-config")
    assert done.returncode == 0
    assert "guide.yaml, line 3: suture has no warmup_epochs; it does nothing" in " ".join(done.stderr.split())


def test_init_lists_and_begins_recipes(suture, tmp_path):
    listed = suture("init")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in SHIPPED)
    done = suture("init", "patch", "--out", "mine.yaml")
    assert (done.returncode, done.stdout) == (0, "mine.yaml\n")
    before = (tmp_path / "mine.yaml").read_text()
    again = suture("init", "fuse", "--out", "mine.yaml")
    assert again.returncode == 2
    assert "mine.yaml is there already" in again.stderr
    assert (tmp_path / "mine.yaml").read_text() == before
    assert suture("init", "sweep").stdout == "sweep.yaml\n"
    assert suture("init", "swep").returncode == 2


def test_schema_is_json(suture):
    done = suture("schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")


def test_ls_shows_all_of_them(suture):
    told = json.loads(suture("ls", "recipes", "--json").stdout)["recipes"]
    assert [one["name"] for one in told] == list(SHIPPED)
