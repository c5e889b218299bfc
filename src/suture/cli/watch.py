"""Progress for people: a bar on a terminal, plain lines elsewhere, always on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from suture.runs.watch import Advance, Watch


class ConsoleWatch(Watch):
    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, highlight=False, markup=False)

    @contextmanager
    def task(self, label: str, total: float) -> Iterator[Advance]:
        if self.quiet:
            yield lambda _label, _done: None
        elif not self.console.is_terminal:
            self.say(label)
            yield lambda text, _done: self.say(f"  {text}") if text else None
        else:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
            )
            with Progress(*columns, console=self.console, transient=True) as progress:
                bar = progress.add_task(label, total=total)

                def advance(text: str, done: float) -> None:
                    progress.update(bar, completed=done, description=f"{label}  {text}" if text else None)

                yield advance
