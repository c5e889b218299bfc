"""The trials of a sweep together: means over seeds, and a table for spreadsheets."""

import csv
import io
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suture.spec.at import read_at

Trial = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation, None of a single value."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """None where no value is known."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None)


def varies(trials: Sequence[Trial], keys: Iterable[str]) -> list[str]:
    """The keys, but the seed, of which the trials have several values."""
    return [key for key in keys if key != "seed" and len({json.dumps(trial[key]) for trial in trials}) > 1]


def over_seeds(trials: Iterable[Trial], keys: Sequence[str]) -> list[list[Trial]]:
    """Trials that differ in nothing but the seed, together, in the order in which they first come."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(json.dumps([trial[key] for key in keys if key != "seed"]), []).append(trial)
    return list(groups.values())


def spelled_value(key: str, value: Any) -> str:
    """A value of a sweep's key for people."""
    if key == "at":
        return ", ".join(x if x == y else f"{x} → {y}" for x, y in read_at(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " + ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def trials_csv(result: Mapping[str, Any]) -> str:
    """One line a trial, numbers in full; what is not known is empty."""
    rows = [_flat(trial, result["over"]) for trial in result["trials"]]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _flat(trial: Trial, over: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, told in trial.items():
        if name in over:
            row[name] = told if told is None or isinstance(told, str | int | float) else json.dumps(told)
        elif isinstance(told, dict):
            row |= {f"{name}_{inner}": value for inner, value in told.items()}
        else:
            row[name] = told
    return row
