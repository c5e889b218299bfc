"""A run folder: what was asked, what came out, and whether it is finished."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from suture.errors import RunError
from suture.runs.atomic import write_json, write_text
from suture.runs.environment import environment
from suture.runs.ledger import Ledger

RECIPE, ENVIRONMENT, RESULT, RECORD, LOCK = "recipe.yaml", "environment.json", "result.json", "record.json", ".lock"
STARTING = (LOCK, f".{RECIPE}.part")


class RunFolder:
    """``runs/NAME``: recipe.yaml, environment.json, metrics.jsonl, ledger.jsonl, result.json, weights, plots.

    The folder belongs to one recipe: the same recipe goes on where it stopped, another one is a RunError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path / "ledger.jsonl")

    @property
    def plots(self) -> Path:
        folder = self.path / "plots"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def result(self) -> dict[str, Any] | None:
        """What a finished run printed; None while it is not finished. Raises RunError where it is not JSON."""
        path = self.path / RESULT
        if not path.exists():
            return None
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(
                f"{path} is damaged: {error}",
                expected="the JSON that the finished run wrote",
                instead="--overwrite to start from nothing, or remove that file to finish the run again",
            ) from error
        return told

    def finish(self, result: dict[str, Any], record: dict[str, Any]) -> None:
        write_json(self.path / RECORD, record)
        write_json(self.path / RESULT, result)

    def log(self, **numbers: Any) -> None:
        """Append a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(numbers, allow_nan=False) + "\n")


def check_run(path: Path, recipe: str, *, overwrite: bool = False) -> dict[str, Any] | None:
    """The result of ``recipe`` if ``path`` holds it finished, else None. Writes nothing.

    Raises RunError where the folder holds another recipe (unless it may be overwritten) or is no run folder.
    """
    try:
        return _held(path, recipe, overwrite)
    except OSError as error:
        raise _unusable(path, error) from error


def _held(path: Path, recipe: str, overwrite: bool) -> dict[str, Any] | None:
    held = path / RECIPE
    if path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file", expected="a folder for the run", instead="--out with another path")
    if not path.is_dir():
        return None
    if not held.exists():
        if any(entry.name not in STARTING for entry in path.iterdir()):
            raise RunError(
                f"{path} is a folder with other things in it",
                expected="an empty folder, a new one, or a run of the same recipe",
                instead="--out with another path",
            )
        return None
    if overwrite:
        return None
    if held.read_bytes() != recipe.encode():
        raise RunError(
            f"{path} holds a run of another recipe",
            expected="the same recipe, to go on or to show its result",
            instead="--name ANOTHER, or --overwrite to start this one there from nothing",
        )
    return RunFolder(path).result


@contextmanager
def open_run(path: Path, recipe: str, *, overwrite: bool = False) -> Iterator[RunFolder]:
    """Make or reopen a run folder for ``recipe`` (its resolved text), for one process at a time.

    Raises RunError as ``check_run`` does, and where the folder cannot be made or is in use.
    """
    check_run(path, recipe, overwrite=overwrite)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK).acquire(timeout=0)
    except OSError as error:
        raise _unusable(path, error) from error
    with lock:
        try:
            if overwrite:
                _clear(path)
            check_run(path, recipe)
            if not (path / RECIPE).exists():
                write_text(path / RECIPE, recipe)
            if not (path / ENVIRONMENT).exists():
                write_json(path / ENVIRONMENT, environment())
        except OSError as error:
            raise _unusable(path, error) from error
        yield RunFolder(path)


def _unusable(path: Path, error: OSError) -> RunError:
    if isinstance(error, Timeout):
        return RunError(
            f"{path} is in use by another process",
            expected="one process a run folder",
            instead="wait for it, or --name ANOTHER",
        )
    return RunError(
        f"{path} cannot be written: {error.strerror or error}",
        expected="a place that can be written to",
        instead="--out with another path",
    )


def _clear(path: Path) -> None:
    """Empty a run folder that its owner gave up; ``check_run`` has seen that it is one.

    The recipe goes last: what a killed process leaves is still a run folder.
    """
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == RECIPE):
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
