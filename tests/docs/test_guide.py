"""The page on hybrid models, done: its blocks in order, in one folder, and each prints what stands beneath it."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch

from suture.cli.app import main
from suture.recipes.validate import validate
from suture.spec.names import BLOCKS
from suture.spec.patch import OPERATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "hybrid-models.md").read_text(encoding="utf-8")
BLOCKS_OF_PAGE = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
KINDS = [kind for kind, _ in BLOCKS_OF_PAGE]


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
            exec(compile(block, "hybrid-models.md", "exec"), names)
    return printed.getvalue()


def test_the_blocks_of_the_page_print_what_it_says(tmp_path_factory):
    names: dict[str, object] = {}
    folder = tmp_path_factory.mktemp("guide")
    with contextlib.chdir(folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for number, (kind, block) in enumerate(BLOCKS_OF_PAGE):
            if kind == "text":
                continue
            printed = run(kind, block, names)
            assert printed.strip(), block
            if kind == "python":
                assert BLOCKS_OF_PAGE[number + 1] == ("text", printed), f"{block}\nprints\n{printed}"


def test_there_is_something_to_run():
    assert KINDS.count("python") >= 15
    assert KINDS.count("sh") >= 2
    assert KINDS.count("yaml") >= 2
    assert set(KINDS) == {"python", "text", "sh", "yaml"}


@pytest.mark.parametrize("name", [*BLOCKS, *OPERATIONS])
def test_every_block_and_operation_is_told(name):
    assert f"`{name}`" in PAGE
