"""How far a bulk run is, on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import click

from topfive.bulk.results.rows import ShardOutcome

_LINE_EVERY_S = 10.0


class LineProgress:
    """Writes a line now and then."""

    def __init__(self) -> None:
        self._pictures = self._done = self._errors = self._here = 0
        self._began_s = self._told_s = monotonic()

    def tell(self, sentence: str) -> None:
        """Write a sentence."""
        click.echo(sentence, err=True)

    def begin(self, pictures: int, done: int) -> None:
        """Begin to count."""
        self._pictures, self._done = pictures, done
        self._began_s = self._told_s = monotonic()

    def advance(self, outcome: ShardOutcome) -> None:
        """Count a shard."""
        self._done += outcome.pictures
        self._here += outcome.pictures
        self._errors += sum(outcome.errors.values())
        if monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = monotonic()
            rate = self._here / (self._told_s - self._began_s)
            self.tell(f"{self._done:,} of {self._pictures:,} pictures, {rate:.0f} a second")


@contextmanager
def show_progress() -> Iterator[LineProgress]:
    """Show how far a run is while the block runs."""
    yield LineProgress()
