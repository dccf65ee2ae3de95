"""Bars on standard error that say how far a command is and how long it still takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def show_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; yields what is told how many are done, of how many.

    Where standard error is no terminal nothing is shown.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class ShownPhases:
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
def show_phases() -> Iterator[ShownPhases]:
    """Draw bars while the block runs; where standard error is no terminal, only at its end."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield ShownPhases(progress)
