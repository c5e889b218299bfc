"""The page on hybrid models, done: its blocks in order, in one folder, and each prints what stands beneath it."""

import contextlib

import pytest
import torch

from guides import blocks, page, run
from suture.spec.names import BLOCKS
from suture.spec.patch import OPERATIONS

pytestmark = pytest.mark.usefixtures("few_images")

PAGE = page("hybrid-models.md")
BLOCKS_OF_PAGE = blocks(PAGE)
KINDS = [kind for kind, _ in BLOCKS_OF_PAGE]


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
