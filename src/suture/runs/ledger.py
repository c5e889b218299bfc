"""The trial ledger: one JSON line a finished trial, found again by its key."""

import json
import os
from pathlib import Path
from typing import Any

from suture.errors import RunError


class Ledger:
    """An append-only file of trials. A last line that a killed process left half-written is dropped and overwritten.

    Raises RunError for any other line that is not a trial: dropping it would lose those after it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trials: dict[str, dict[str, Any]] = {}
        self._whole = 0
        if path.exists():
            self._read()

    def _read(self) -> None:
        lines = self.path.read_bytes().splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                key, trial = entry["key"], entry["trial"]
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):
                    break
                raise RunError(
                    f"line {number} of {self.path} is no trial",
                    expected='{"key": ..., "trial": ...} on every line',
                    instead="remove that line to run its trial again, or --overwrite to start from nothing",
                ) from error
            if not line.endswith(b"\n"):
                break
            self._trials[key] = trial
            self._whole += len(line)

    def get(self, key: str) -> dict[str, Any] | None:
        return self._trials.get(key)

    def add(self, key: str, trial: dict[str, Any]) -> None:
        """Keep a finished trial, as JSON gives it back; it is on disk when this returns."""
        line = (json.dumps({"key": key, "trial": trial}, allow_nan=False) + "\n").encode()
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(line)
        self._trials[key] = json.loads(line)["trial"]

    def __len__(self) -> int:
        return len(self._trials)
