"""The one thread of a worker that writes its predictions, so that none waits for a database."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from threading import Condition, Event, Thread
from time import monotonic, sleep

from topfive.errors import HistoryUnreachable
from topfive.history.records import PredictionRecord

# Why a prediction is not kept: too many wait, the database refuses it, or the worker ends first.
QUEUE_FULL = "queue_full"
REFUSED = "refused"
STOPPING = "stopping"

# While a worker ends there is no time to wait for longer between two attempts.
_RETRIES_AT_END_S = 0.1

WriteRecords = Callable[[Sequence[PredictionRecord]], int]


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How many predictions may wait, how many are written together, and when.

    The first that waits is written after `gather_s`, with what has come meanwhile. `retry_s` tells
    how long to wait after so many failures in a row. At its end a worker has `ends_within_s`.
    """

    most_waiting: int
    retry_s: Callable[[int], float]
    most_rows: int = 500
    gather_s: float = 0.5
    ends_within_s: float = 4.0


@dataclass(frozen=True, slots=True)
class WriterEvents:
    """Whom to tell: of what is written and dropped each time; of an outage, its end, a full queue
    and how many were dropped in all once each; of an error that nobody foresaw.
    """

    on_written: Callable[[int], None] = _ignore
    on_dropped: Callable[[str, int], None] = _ignore
    on_down: Callable[[str], None] = _ignore
    on_back: Callable[[], None] = _ignore
    on_full: Callable[[int], None] = _ignore
    on_lost: Callable[[str, int], None] = _ignore
    on_fault: Callable[[Exception], None] = _ignore


class Writer:
    """Keeps predictions in a queue, and writes them in batches in a thread of its own.

    `write` tells how many of a batch the database took, and writes none twice. While it raises
    HistoryUnreachable the same batch is tried again, and up to `most_waiting` predictions wait;
    what comes beyond is dropped. `note` never waits for any of that.
    """

    is_on = True

    def __init__(
        self, write: WriteRecords, options: WriterOptions, events: WriterEvents | None = None
    ) -> None:
        self._write = write
        self._options = options
        self._events = events or WriterEvents()
        self._changed = Condition()
        self._queue: deque[PredictionRecord] = deque()
        self._at_work = 0
        # Since the last time that all was well; told when it is again.
        self._dropped: Counter[str] = Counter()
        self._is_down = False
        self._closing = Event()
        self._ends_at_s = inf
        # It starts with the first prediction, which is after the fork.
        self._thread: Thread | None = None

    @property
    def waiting(self) -> int:
        """How many predictions are taken down and not written yet."""
        return len(self._queue) + self._at_work

    def note(self, record: PredictionRecord) -> None:
        """Take a prediction down; it waits for nobody and never fails."""
        with self._changed:
            if self._closing.is_set():
                reason = STOPPING
            elif self.waiting >= self._options.most_waiting:
                reason = QUEUE_FULL
            else:
                self._queue.append(record)
                self._wake()
                return
            is_first = reason == QUEUE_FULL and reason not in self._dropped
            self._dropped[reason] += 1
        self._events.on_dropped(reason, 1)
        if is_first:
            self._events.on_full(self._options.most_waiting)

    def close(self) -> None:
        """Write what was accepted, within the time a worker has for it, and begin nothing more.

        What could not be written by then is told as lost.
        """
        with self._changed:
            self._ends_at_s = monotonic() + self._options.ends_within_s
            self._closing.set()
            self._changed.notify()
        if self._thread:
            self._thread.join(self._options.ends_within_s)
        if lost := self.waiting:
            self._drop(STOPPING, lost)
        self._tell_dropped()

    def _wake(self) -> None:
        """Have the thread look, which waits only while there is nothing."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="topfive-history", daemon=True)
            self._thread.start()
        elif len(self._queue) == 1:
            self._changed.notify()

    def _run(self) -> None:
        while self._gather():
            batch = self._take()
            taken = self._write_until_taken(batch)
            if taken < len(batch):
                self._drop(REFUSED, len(batch) - taken)
            elif len(self._queue) < self._options.most_rows:
                self._tell_dropped()

    def _gather(self) -> bool:
        """Wait for a batch: for its first prediction, then for more. False: there is none left."""
        with self._changed:
            while not self._queue and not self._closing.is_set():
                self._changed.wait()
            has_all = len(self._queue) >= self._options.most_rows
        if not has_all:
            self._closing.wait(self._options.gather_s)
        return bool(self._queue) and not self._is_over()

    def _take(self) -> list[PredictionRecord]:
        with self._changed:
            self._at_work = min(len(self._queue), self._options.most_rows)
            return [self._queue.popleft() for _ in range(self._at_work)]

    def _write_until_taken(self, batch: Sequence[PredictionRecord]) -> int:
        """Write a batch, again while the database is away; returns how many it took."""
        failures = 0
        while not self._is_over():
            try:
                taken = self._write(batch)
            except HistoryUnreachable as error:
                failures += 1
                self._note_down(str(error))
                self._wait(failures)
            except Exception as error:  # noqa: BLE001 - a worker's loop: no error may end it
                self._note_fault(error)
                return self._note_written(0, of=len(batch))
            else:
                return self._note_written(taken, of=len(batch))
        # What is at work is told as lost.
        return len(batch)

    def _note_down(self, reason: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._events.on_down(reason)

    def _note_fault(self, error: Exception) -> None:
        if REFUSED not in self._dropped:
            self._events.on_fault(error)

    def _note_written(self, taken: int, of: int) -> int:
        self._at_work -= of
        self._events.on_written(taken)
        if self._is_down:
            self._is_down = False
            self._events.on_back()
        return taken

    def _drop(self, reason: str, count: int) -> None:
        with self._changed:
            self._dropped[reason] += count
        self._events.on_dropped(reason, count)

    def _tell_dropped(self) -> None:
        """Say how many were dropped since all was well, once it is again or there is no more."""
        with self._changed:
            dropped, self._dropped = self._dropped, Counter()
        for reason, count in dropped.items():
            self._events.on_lost(reason, count)

    def _wait(self, failures: int) -> None:
        if self._closing.is_set():
            sleep(_RETRIES_AT_END_S)
        else:
            self._closing.wait(self._options.retry_s(failures))

    def _is_over(self) -> bool:
        return monotonic() >= self._ends_at_s
