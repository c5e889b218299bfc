"""The page on recipes, done: every recipe run, every command and the block of Python, in one folder and in order."""

import re
from pathlib import Path

import pytest

from suture.spec.names import PRESETS, TEMPLATES

pytestmark = pytest.mark.usefixtures("few_images")

PAGE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
FILES = dict(
    zip(
        ("two-steps.yaml", "resnet-se.yaml", "more.yaml"),
        (block for kind, block in BLOCKS if kind == "yaml"),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_of_the_page_runs(command, folder, line):
    assert command(folder, line).strip()


@pytest.mark.parametrize("name", FILES)
def test_the_recipe_of_the_page_runs(command, folder, name):
    command(folder, f"suture run {name}" + (" --name more" if name == "more.yaml" else ""))


def test_the_python_of_the_page_runs(program, folder):
    (text,) = (text for kind, text in BLOCKS if kind == "python")
    program(folder, text)


@pytest.mark.parametrize("name", [*TEMPLATES, *PRESETS])
def test_every_template_is_told(name):
    assert f"`{name}`" in PAGE
