"""What the README shows, done: the demo, then every command and every block of Python, in one folder."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("few_images")

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [text for kind, text in BLOCKS if kind == "python"]
COMMANDS = [
    line.partition("#")[0].strip()
    for kind, text in BLOCKS
    if kind == "sh"
    for line in text.splitlines()
    if line.startswith("suture ")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a finished demo in it."""
    folder = tmp_path_factory.mktemp("readme")
    words = [sys.executable, "-m", "suture", "demo"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for row in ("parent A", "parent B", "cut in half", "best hybrid"):
        assert row in done.stdout
    return folder


def test_there_is_something_to_do():
    assert len(COMMANDS) >= 6
    assert PYTHON


def test_the_demo_leaves_what_it_promises(folder):
    run = folder / "runs" / "demo"
    for name in ("result.json", "report.html", "README.md", "metrics.jsonl", "plots/heatmap.png", "plots/curves.png"):
        assert (run / name).stat().st_size > 0
    result = json.loads((run / "result.json").read_text())
    parents = [parent["accuracy"] for parent in result["parents"].values()]
    assert min(parents) > 0.8
    assert result["best"]["accuracy"] > result["baseline"]["accuracy"]


def test_the_demo_run_again_shows_the_same_and_changes_nothing(command, folder):
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}
    result = json.loads(command(folder, "suture demo --json"))
    assert result == json.loads((folder / "runs" / "demo" / "result.json").read_text())
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*") if path.is_file()}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_does_its_work(command, folder, line):
    assert command(folder, line).strip()


@pytest.mark.parametrize("text", PYTHON)
def test_every_block_of_python_runs(program, folder, text):
    program(folder, text)
