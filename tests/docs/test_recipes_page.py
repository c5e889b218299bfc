"""The page on recipes, done: every recipe run, every command and the block of Python, in one folder and in order."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from suture.spec.names import PRESETS, TEMPLATES

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


def done(folder, *words):
    ran = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_the_command_of_the_page_runs(folder, line):
    assert done(folder, "-m", *shlex.split(line)).strip()


@pytest.mark.parametrize("name", FILES)
def test_the_recipe_of_the_page_runs(folder, name):
    done(folder, "-m", "suture", "run", name, *(["--name", "more"] if name == "more.yaml" else []))


def test_the_python_of_the_page_runs(folder):
    (program,) = (text for kind, text in BLOCKS if kind == "python")
    done(folder, "-c", program)


@pytest.mark.parametrize("name", [*TEMPLATES, *PRESETS])
def test_every_template_is_told(name):
    assert f"`{name}`" in PAGE
