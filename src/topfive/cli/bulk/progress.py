"""How far a bulk run is: a bar on a terminal, else a line now and then."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from topfive.bulk.pace import Pace, show_duration
from topfive.bulk.results.rows import ShardOutcome

_LINE_EVERY_S = 10.0


class _Counted:
    """Counts pictures and errors, and puts in words how far a run is."""

    def __init__(self) -> None:
        self.pictures = self.done = self._errors = 0
        self._pace = Pace(monotonic(), 0)

    def begin(self, pictures: int, done: int) -> None:
        """Begin to count."""
        self.pictures, self.done = pictures, done
        self._pace = Pace(monotonic(), done)

    def advance(self, outcome: ShardOutcome) -> None:
        """Count a shard."""
        self.done += outcome.pictures
        self._errors += sum(outcome.errors.values())
        self._pace.add(monotonic(), self.done)

    def describe(self) -> str:
        """Tell how many are done, how fast, and how long the rest takes."""
        left_s = self._pace.left_s(self.pictures)
        parts = [f"{self.done:,} of {self.pictures:,} pictures"]
        if left_s is not None:
            parts += [f"{self._pace.per_s():,.0f} a second", f"{show_duration(left_s)} left"]
        if self._errors:
            parts.append("1 error" if self._errors == 1 else f"{self._errors:,} errors")
        return ", ".join(parts)


class LineProgress:
    """Writes a line every ten seconds while shards are finished."""

    def __init__(self) -> None:
        self._counted = _Counted()
        self._told_s = monotonic()

    def tell(self, sentence: str) -> None:
        """Write a sentence."""
        click.echo(sentence, err=True)

    def begin(self, pictures: int, done: int) -> None:
        """Begin to count."""
        self._counted.begin(pictures, done)

    def advance(self, outcome: ShardOutcome) -> None:
        """Count a shard."""
        self._counted.advance(outcome)
        if monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = monotonic()
            self.tell(self._counted.describe())


class BarProgress:
    """Draws a bar."""

    def __init__(self, progress: Progress) -> None:
        self._counted = _Counted()
        self._progress = progress
        self._task = progress.add_task("Looking for pictures", total=None)

    def tell(self, sentence: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(Text(sentence), highlight=False)

    def begin(self, pictures: int, done: int) -> None:
        """Begin to count."""
        self._counted.begin(pictures, done)
        self._progress.update(
            self._task, total=pictures, completed=done, description=self._counted.describe()
        )

    def advance(self, outcome: ShardOutcome) -> None:
        """Count a shard."""
        self._counted.advance(outcome)
        self._progress.update(
            self._task, completed=self._counted.done, description=self._counted.describe()
        )


@contextmanager
def show_progress() -> Iterator[LineProgress | BarProgress]:
    """Show on standard error how far a run is while the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress()
        return
    columns = (BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as progress:
        yield BarProgress(progress)
