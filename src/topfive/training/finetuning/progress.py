"""How far a training is, for whoever waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Reporter(Protocol):
    """Is told what is done, and how much of it."""

    def begin(self, what: str, steps: int) -> None:
        """Begin something of so many steps; what was begun before has ended."""
        ...

    def advance(self, steps: int = 1) -> None:
        """Count steps of what was begun."""
        ...

    def tell(self, sentence: str) -> None:
        """Tell something that a person should know."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, what: str, steps: int) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def tell(self, sentence: str) -> None:
        """Do nothing."""


class ShownProgress:
    """Draws a bar with the time left for each thing that is done, on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("Beginning", total=None, visible=False)

    def begin(self, what: str, steps: int) -> None:
        """Draw a bar of its own."""
        self._finish()
        self._task = self._progress.add_task(what, total=steps)

    def advance(self, steps: int = 1) -> None:
        """Move the bar on."""
        self._progress.advance(self._task, steps)

    def tell(self, sentence: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(Text(sentence), highlight=False)

    def _finish(self) -> None:
        """Leave the bar of what ended early where it ended, and its clock stopped."""
        self._progress.stop_task(self._task)


@contextmanager
def show_progress() -> Iterator[ShownProgress]:
    """Draw bars while the block runs; where standard error is no terminal, only at its end."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield ShownProgress(progress)
