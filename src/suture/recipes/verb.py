"""What every verb is: prepared first, so that bad input leaves nothing behind, then run in a folder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture.runs import RunFolder, open_run
from suture.spec.record import Record

STATE = "state.safetensors"
STATES = "state*.safetensors"


@dataclass(frozen=True)
class Outcome:
    """``result`` is what ``--json`` prints; ``record`` is kept beside it."""

    result: dict[str, Any]
    record: Record


class Verb(ABC):
    """A step with all its networks and data loaded and checked."""

    @abstractmethod
    def run(self, folder: RunFolder) -> Outcome:
        """Do the work; whatever is in ``folder`` already is not done again."""


def finished(verb: Verb, path: Path, recipe: str, overwrite: bool = False) -> dict[str, Any]:
    """The result of a verb, done in the folder ``path`` of its resolved ``recipe``."""
    with open_run(path, recipe, overwrite=overwrite) as folder:
        outcome = verb.run(folder)
        folder.finish(outcome.result, outcome.record.as_dict())
        for state in path.glob(STATES):
            state.unlink()
    return outcome.result
