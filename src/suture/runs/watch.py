"""What a long verb tells whoever waits: lines, and how far it has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[str, float], None]


class Watch:
    """Says nothing. The command line has one that draws bars and prints lines."""

    def say(self, text: str) -> None:
        """One line for people."""

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Advance]:
        """A stretch of work: the yielded function takes (what is done now, how much of ``total``)."""
        del label, total
        yield lambda _label, _done: None
