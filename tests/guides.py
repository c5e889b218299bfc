"""The blocks of a page of the guide, run as they stand."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from suture.cli.app import main
from suture.recipes.validate import validate

GUIDE = Path(__file__).parents[1] / "docs" / "guide"


def page(name: str) -> str:
    return (GUIDE / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each block of code."""
    return re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)


def run(kind: str, block: str, names: dict[str, object]) -> str:
    """What a block prints; of YAML what its validation says."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if kind == "yaml":
            path = Path(block.splitlines()[0].removeprefix("# "))
            path.write_text(block, encoding="utf-8")
            print(validate(path))
        elif kind == "sh":
            for line in block.splitlines():
                with pytest.raises(SystemExit) as stop:
                    main(shlex.split(line)[1:])
                assert not stop.value.code, line
        else:
            exec(compile(block, "the page", "exec"), names)
    return printed.getvalue()
