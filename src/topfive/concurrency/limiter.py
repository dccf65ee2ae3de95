"""The concurrency limiter: a queue slot to wait in, and a permit to work."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from time import monotonic

from topfive.errors import DeadlineExceeded, Overloaded

# Drain rate is measured over the last so many finished pieces of work.
_DRAIN_WINDOW = 64
_MAX_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds, and for how long was waited already."""

    at_s: float
    waited_s: float = 0.0

    @classmethod
    def after(cls, timeout_s: float) -> "Deadline":
        """Make a deadline `timeout_s` seconds from now."""
        return cls(monotonic() + timeout_s)

    @property
    def remaining_s(self) -> float:
        """The seconds left; negative once it has passed."""
        return self.at_s - monotonic()


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a limiter is at one moment."""

    working: int
    waiting: int


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """One piece of work under way."""

    began_s: float


class ConcurrencyLimiter:
    """Lets `slots` pieces of work run at once and `queue` more wait, in the order they came.

    `spare` more may run where whoever hands them out lets them: beside some that take long.
    """

    def __init__(self, slots: int, queue: int, spare: int = 0) -> None:
        self._slots = slots
        self._most = slots + spare
        self._capacity = slots + queue
        self._lock = Lock()
        self._waiting: deque[Event] = deque()
        self._taken = 0
        self._working = 0
        self._runs: set[_Run] = set()
        self._finished_at_s: deque[float] = deque(maxlen=_DRAIN_WINDOW)

    @contextmanager
    def queue_slot(self) -> Iterator[None]:
        """Take a queue slot at once; raises Overloaded with the seconds until one may be free."""
        with self._lock:
            if self._taken >= self._capacity:
                raise self._overloaded()
            self._taken += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken -= 1

    def overloaded(self, waiting: int = 0) -> Overloaded:
        """Make the failure of work without a queue slot; `waiting` more wait elsewhere."""
        with self._lock:
            return self._overloaded(waiting)

    @contextmanager
    def permit(self, deadline: Deadline) -> Iterator[None]:
        """Wait for a turn to work; raises DeadlineExceeded if none comes before `deadline`."""
        self._enter(deadline)
        began = _Run(monotonic())
        self._runs.add(began)
        try:
            yield
        finally:
            self._runs.discard(began)
            self._leave()

    def has_spare_permit(self) -> bool:
        """Tell whether a permit is free, and nobody waits for one."""
        with self._lock:
            return self._working < self._slots and not self._waiting

    def oldest_run_s(self) -> float:
        """Tell for how long the oldest piece of work has been running; 0 if none runs."""
        now_s = monotonic()
        return max((now_s - run.began_s for run in tuple(self._runs)), default=0.0)

    def load(self) -> Load:
        """Tell how many pieces of work run and wait now."""
        with self._lock:
            return Load(self._working, self._taken - self._working)

    def _enter(self, deadline: Deadline) -> None:
        with self._lock:
            if self._working < self._most and deadline.remaining_s > 0:
                self._working += 1
                return
            turn = Event()
            self._waiting.append(turn)
        in_time = turn.wait(max(0.0, deadline.remaining_s)) and deadline.remaining_s > 0
        if not in_time:
            self._give_up(turn)
            raise DeadlineExceeded("The answer was not ready in time. Try again later.")

    def _leave(self) -> None:
        with self._lock:
            self._finished_at_s.append(monotonic())
            self._hand_over()

    def _give_up(self, turn: Event) -> None:
        with self._lock:
            if turn.is_set():
                self._hand_over()
            else:
                self._waiting.remove(turn)

    def _hand_over(self) -> None:
        """Pass a permit on to whoever waits longest, so that nobody overtakes."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._working -= 1

    def _overloaded(self, waiting: int = 0) -> Overloaded:
        return Overloaded(
            f"All {self._capacity} queue slots of this worker are taken. Try again later.",
            retry_after_s=self._retry_after_s(waiting),
        )

    def _retry_after_s(self, waiting: int) -> int:
        """Estimate when the work now inside will be done, from the rate of the last ones."""
        if len(self._finished_at_s) < 2:
            return 1
        span_s = monotonic() - self._finished_at_s[0]
        rate_per_s = len(self._finished_at_s) / max(span_s, 1e-3)
        return min(_MAX_RETRY_AFTER_S, max(1, math.ceil((self._taken + waiting) / rate_per_s)))
