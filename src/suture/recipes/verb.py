"""What every verb is: prepared first, so that bad input leaves nothing behind, then run in a folder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from suture.runs import RunFolder
from suture.spec.record import Record

STATE = "state.safetensors"


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
