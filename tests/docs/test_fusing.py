"""The page on fusing, done: every command and the block of Python, in one folder and in order."""

import re
from pathlib import Path

import pytest

from suture.spec.names import AUGMENTATIONS, FUSIONS, PRESETS, SCHEDULES

pytestmark = pytest.mark.usefixtures("few_images")

PAGE = (Path(__file__).parents[2] / "docs" / "fusing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fusing")


def test_there_is_something_to_fuse():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_of_the_page_runs(command, folder, line):
    assert command(folder, line).strip()


def test_the_python_of_the_page_runs(program, folder):
    (text,) = (text for kind, text in BLOCKS if kind == "python")
    program(folder, text)


@pytest.mark.parametrize("name", [*FUSIONS, *SCHEDULES, *AUGMENTATIONS, *PRESETS])
def test_every_choice_of_a_fusion_is_told(name):
    assert f"`{name}`" in PAGE
