"""The page on similarity, done: what a block prints stands beneath it, and every measure is told."""

import contextlib
from itertools import pairwise

import pytest

from guides import blocks, page, run
from suture.spec.compare import SAMPLES
from suture.spec.measures import ALIASES, MEASURES

PAGE = page("similarity.md")
BLOCKS = blocks(PAGE)


def test_the_blocks_of_the_page_print_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    names: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        for (kind, block), (below, text) in pairwise(BLOCKS):
            if kind == "text":
                continue
            assert below == "text", block
            assert run(kind, block, names) == text, block
    assert (tmp_path / "alike.png").exists()


@pytest.mark.parametrize("name", [*ALIASES, *MEASURES])
def test_every_measure_is_told(name):
    assert name in PAGE


def test_the_default_is_that_of_the_command():
    assert f"`--samples` ({SAMPLES:,})" in PAGE
