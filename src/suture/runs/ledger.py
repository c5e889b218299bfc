"""The trial ledger: one JSON line a finished trial, found again by its key."""

import json
import os
from pathlib import Path
from typing import Any


class Ledger:
    """An append-only file of trials. A line that a killed process left half-written is dropped and overwritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trials: dict[str, dict[str, Any]] = {}
        self._whole = 0
        if path.exists():
            self._read()

    def _read(self) -> None:
        with self.path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                self._trials[entry["key"]] = entry["trial"]
                self._whole += len(line)

    def get(self, key: str) -> dict[str, Any] | None:
        return self._trials.get(key)

    def add(self, key: str, trial: dict[str, Any]) -> None:
        """Keep a finished trial; it is on disk when this returns."""
        line = (json.dumps({"key": key, "trial": trial}, allow_nan=False) + "\n").encode()
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._whole += len(line)
        self._trials[key] = trial

    def __len__(self) -> int:
        return len(self._trials)
