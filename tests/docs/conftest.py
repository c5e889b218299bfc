"""Doing what a page says: in this process, as starting one costs more than most commands, and on part of the sample."""

import contextlib
import io
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from suture.cli.app import main
from suture.data.load import LOADERS, load_data


@pytest.fixture(scope="module")
def few_images() -> Iterator[None]:
    """Pages are shown to work, not how well; the demo, a process of its own, has all images."""
    sample = load_data("sample")
    few = replace(sample, train=sample.train.first(600), test=sample.split("test").first(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOADERS, "sample", lambda *_: few)
        yield


@contextlib.contextmanager
def _apart(folder: Path) -> Iterator[io.StringIO]:
    """What is printed in a folder; the random state afterwards is that before."""
    printed = io.StringIO()
    with contextlib.chdir(folder), torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(printed):
        yield printed


@pytest.fixture(scope="session")
def command() -> Callable[[Path, str], str]:
    """Do a command line in a folder; what it prints."""

    def do(folder: Path, line: str) -> str:
        name, *words = shlex.split(line)
        assert name == "suture"
        with _apart(folder) as printed, pytest.raises(SystemExit) as stop:
            main(words)
        assert not stop.value.code, line
        return printed.getvalue()

    return do


@pytest.fixture(scope="session")
def program() -> Callable[[Path, str], str]:
    """Do a program in a folder; what it prints."""

    def do(folder: Path, text: str) -> str:
        with _apart(folder) as printed:
            exec(compile(text, "page.md", "exec"), {})
        return printed.getvalue()

    return do
