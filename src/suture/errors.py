"""What can go wrong, as one tree.

    SutureError                 something failed (exit code 1)
    ├── TrainingError           a loss that is not finite
    └── UsageError              the request cannot be carried out as given (exit code 2)
        ├── SourceError         no such network, or a source string that does not parse
        │   ├── WeightsError    a weight file that is missing, unreadable or of another network
        │   └── TrustError      code would run that nobody vouched for
        ├── CutError            no such layer, or a layer where the network cannot be cut
        │   └── TraceError      a network no tracer can follow
        ├── AdapterError        two cuts that no adapter of this kind joins
        ├── MeasureError        activations that a measure cannot compare
        ├── PlanError           parts that do not make a hybrid
        ├── DataError           images or labels that are not what they should be
        ├── RecipeError         a recipe that does not say what to do
        └── RunError            a run folder that holds something else

Every error says three things: what was given, what was expected, and what to type instead.
"""

import difflib
from collections.abc import Iterable
from functools import partial
from typing import Any, Self


class SutureError(Exception):
    """The root of the tree. ``given`` is a sentence; ``expected`` and ``instead`` complete one."""

    exit_code = 1

    def __init__(self, given: str, *, expected: str, instead: str) -> None:
        super().__init__(given)
        self.given = given
        self.expected = expected
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.given}\n  expected: {self.expected}\n  instead:  {self.instead}"

    @property
    def line(self) -> str:
        """All of it in one line."""
        return " ".join(f"{self.given}; expected {self.expected}; instead {self.instead}".split())

    def of(self, where: str) -> Self:
        """The same, told of ``where`` it is: a network, a layer."""
        return type(self)(f"{where}: {self.given}", expected=self.expected, instead=self.instead)

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors come back whole from other processes; what Exception does by itself loses the keywords."""
        return partial(type(self), self.given, expected=self.expected, instead=self.instead), ()


class TrainingError(SutureError):
    """A loss that is not finite."""


class UsageError(SutureError):
    """The request cannot be carried out as given."""

    exit_code = 2


class SourceError(UsageError):
    """No such network, or a source string that does not parse."""


class WeightsError(SourceError):
    """A weight file that is missing, unreadable or of another network."""


class TrustError(SourceError):
    """Code would run that nobody vouched for."""


class CutError(UsageError):
    """No such layer, or a layer where the network cannot be cut."""


class TraceError(CutError):
    """A network no tracer can follow."""


class AdapterError(UsageError):
    """Two cuts that no adapter of this kind joins."""


class MeasureError(UsageError):
    """Activations that a measure cannot compare."""


class PlanError(UsageError):
    """Parts that do not make a hybrid."""


class DataError(UsageError):
    """Images or labels that are not what they should be."""


class RecipeError(UsageError):
    """A recipe that does not say what to do."""


class RunError(UsageError):
    """A run folder that holds something else."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names most like ``name``, best first; the first few where none is alike."""
    names = list(dict.fromkeys(known))
    folded = {other.lower(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.lower(), folded, n=count, cutoff=0.4)
    return [folded[other] for other in close] or names[:count]


def listed(names: Iterable[str], most: int = 6) -> str:
    """``a, b, c and 4 more``."""
    names = list(names)
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
