"""The lab's page, done: every command of docs/stitching.md, in one folder and in order."""

import re
from pathlib import Path

import pytest

from suture.spec.names import MASKS, STARTS, TARGETS

pytestmark = pytest.mark.usefixtures("few_images")

PAGE = (Path(__file__).parents[2] / "docs" / "stitching.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


def test_there_is_something_to_do():
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_runs(command, folder, line):
    assert command(folder, line).strip()


@pytest.mark.parametrize("name", [*STARTS, *MASKS, *TARGETS, "adapter", "encoder", "decoder", "head", "all"])
def test_every_choice_is_told(name):
    assert f"`{name}`" in PAGE
