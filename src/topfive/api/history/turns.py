"""Which requests of a worker may ask the history now: few, so that pages find a thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Condition
from time import monotonic
from typing import cast

from flask import Flask, current_app

from topfive.errors import HistoryUnavailable
from topfive.machine.sizing import HISTORY_THREADS

# A database that is well answers within milliseconds: while it is, nobody is refused.
_PATIENCE_S = 0.25
_EXTENSION = "topfive.history_turns"


class Turns:
    """Turns to ask the history, of which few are given at a time.

    Who finds none waits for one, but only while those at work have just begun: where the database
    does not answer, nobody waits for who waits for it. Exports take long, one at a time.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._turn_ends = Condition()
        self._began_s: list[float] = []

    @contextmanager
    def take(self) -> Iterator[None]:
        """Have a turn until the block ends; raises HistoryUnavailable where there is none."""
        with self._turn_ends:
            while len(self._began_s) >= HISTORY_THREADS:
                self._wait()
            began_s = self._clock()
            self._began_s.append(began_s)
        yield from self._hold(began_s)

    @contextmanager
    def take_long(self) -> Iterator[None]:
        """Have a turn for an export; raises HistoryUnavailable where another one is under way."""
        with self._turn_ends:
            if inf in self._began_s:
                raise HistoryUnavailable(
                    "Another export is under way. Try again when it is done.", retry_after_s=5
                )
            while len(self._began_s) >= HISTORY_THREADS:
                self._wait()
            self._began_s.append(inf)
        yield from self._hold(inf)

    def _hold(self, began_s: float) -> Iterator[None]:
        try:
            yield
        finally:
            with self._turn_ends:
                self._began_s.remove(began_s)
                self._turn_ends.notify_all()

    def _wait(self) -> None:
        left_s = min(self._began_s) + _PATIENCE_S - self._clock()
        if left_s <= 0:
            raise HistoryUnavailable(
                "The history's database is slow to answer others. Try again later.", retry_after_s=1
            )
        self._turn_ends.wait(left_s)


def limit_history(app: Flask) -> None:
    """Let few requests of this worker ask the history at a time."""
    app.extensions[_EXTENSION] = Turns()


def history_turns() -> Turns:
    """Return the turns of this app."""
    return cast(Turns, current_app.extensions[_EXTENSION])
