"""The lab's page, done: every command of docs/stitching.md, in one folder and in order."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from suture.spec.names import MASKS, STARTS, TARGETS

PAGE = (Path(__file__).parents[2] / "docs" / "stitching.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


def test_there_is_something_to_do():
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_runs(folder, line):
    words = [sys.executable, "-m", *shlex.split(line)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("name", [*STARTS, *MASKS, *TARGETS, "adapter", "encoder", "decoder", "head", "all"])
def test_every_choice_is_told(name):
    assert f"`{name}`" in PAGE
