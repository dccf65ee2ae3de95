"""The concurrency limiter: queue slots to wait in, and permits to work, for batches apart."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from time import monotonic

from topfive.concurrency.batch_turns import BatchTurns
from topfive.errors import DeadlineExceeded, Overloaded

# Drain rate is measured over the last so many finished pieces of work.
_DRAIN_WINDOW = 64
_MAX_RETRY_AFTER_S = 60
# Most pictures take a hundredth of this, the slowest on a slow core twice as long.
LONG_WORK_S = 1.0
# Time alone can bring a batch its turn, and those who wait look so often whether it has.
_LOOK_EVERY_S = 0.1
# Threads that work on batches have a low priority: beside single pictures each takes longer.
_BATCH_PATIENCE = 4


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

    Work that takes long makes way for another piece, for up to `spare` of them: those behind a huge
    picture, or one that is stuck, need not wait for its end. Pictures of batches take no permit of
    single ones; up to `batch_slots` of them run at once while there is nothing else to do.
    """

    def __init__(self, slots: int, queue: int, spare: int = 0, batch_slots: int = 1) -> None:
        self._slots = slots
        self._spare = spare
        self._capacity = slots + queue
        self._lock = Lock()
        self._waiting: deque[Event] = deque()
        self._taken = 0
        self._working = 0
        self._runs: set[_Run] = set()
        self._finished_at_s: deque[float] = deque(maxlen=_DRAIN_WINDOW)
        self._turns = BatchTurns(batch_slots, max(1, slots // 2))
        self._batches_waiting: deque[Event] = deque()
        self._batch_runs: set[_Run] = set()
        self._count_elsewhere: Callable[[], int] = _none

    def count_waiting_with(self, count: Callable[[], int]) -> None:
        """Have `count` tell how many single pieces wait before they come here."""
        self._count_elsewhere = count

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

    @contextmanager
    def batch_permit(self, deadline: Deadline) -> Iterator[None]:
        """Wait for the turn of one picture of a batch.

        Raises DeadlineExceeded if none comes before `deadline`.
        """
        self._enter_batch(deadline)
        began = _Run(monotonic())
        self._batch_runs.add(began)
        try:
            yield
        finally:
            self._batch_runs.discard(began)
            self._leave_batch()

    def has_spare_permit(self) -> bool:
        """Tell whether a permit is free, and nobody waits for one."""
        with self._lock:
            is_free = self._working + self._turns.working < self._slots
            return is_free and not self._waiting and not self._batches_waiting

    def oldest_run_s(self) -> float:
        """Tell for how long the oldest piece of work has been running; 0 if none runs.

        For a picture of a batch a quarter of its time counts: it may just get little of the CPU.
        """
        now_s = monotonic()
        single_s = max((now_s - run.began_s for run in tuple(self._runs)), default=0.0)
        batch_s = max((now_s - run.began_s for run in tuple(self._batch_runs)), default=0.0)
        return max(single_s, batch_s / _BATCH_PATIENCE)

    def load(self) -> Load:
        """Tell how many pieces of work run and wait now."""
        with self._lock:
            return Load(self._working, self._taken - self._working)

    def _enter(self, deadline: Deadline) -> None:
        with self._lock:
            if self._may_work() and not self._waiting and deadline.remaining_s > 0:
                self._working += 1
                return
            turn = Event()
            self._waiting.append(turn)
        if not self._wait(turn, deadline, self._hand_out, self._next_long_s):
            self._give_up(turn)
            raise DeadlineExceeded

    def _enter_batch(self, deadline: Deadline) -> None:
        turn = Event()
        with self._lock:
            self._batches_waiting.append(turn)
            self._hand_out_batches()
        if not self._wait(turn, deadline, self._hand_out_batches, lambda: _LOOK_EVERY_S):
            self._give_up_batch(turn)
            raise DeadlineExceeded

    def _wait(
        self,
        turn: Event,
        deadline: Deadline,
        hand_out: Callable[[], None],
        next_look_s: Callable[[], float],
    ) -> bool:
        """Wait for a turn, and look whether time has brought one; returns whether it came."""
        while (left_s := deadline.remaining_s) > 0:
            if turn.wait(min(left_s, next_look_s())):
                return deadline.remaining_s > 0
            with self._lock:
                hand_out()
        return False

    def _leave(self) -> None:
        with self._lock:
            now_s = monotonic()
            self._finished_at_s.append(now_s)
            self._turns.single_finished(now_s)
            self._working -= 1
            self._hand_out()
            if self._batches_waiting:
                self._hand_out_batches()

    def _leave_batch(self) -> None:
        with self._lock:
            self._turns.finish()
            self._hand_out_batches()

    def _give_up(self, turn: Event) -> None:
        with self._lock:
            if turn.is_set():
                self._working -= 1
                self._hand_out()
            else:
                self._waiting.remove(turn)

    def _give_up_batch(self, turn: Event) -> None:
        with self._lock:
            if turn.is_set():
                self._turns.finish()
                self._hand_out_batches()
            else:
                self._batches_waiting.remove(turn)

    def _may_work(self) -> bool:
        if self._working < self._slots:
            return True
        now_s = monotonic()
        long = sum(now_s - run.began_s >= LONG_WORK_S for run in tuple(self._runs))
        return self._working < self._slots + min(long, self._spare)

    def _next_long_s(self) -> float:
        """Tell in how many seconds a piece of work will have taken long, or another may have."""
        now_s = monotonic()
        left_s = (run.began_s + LONG_WORK_S - now_s for run in tuple(self._runs))
        return min((one for one in left_s if one > 0), default=LONG_WORK_S)

    def _hand_out(self) -> None:
        """Give permits to those who wait longest, so that nobody overtakes."""
        while self._waiting and self._may_work():
            self._working += 1
            self._waiting.popleft().set()

    def _hand_out_batches(self) -> None:
        now_s = monotonic()
        while self._batches_waiting and self._turns.may_start(self._has_singles(), now_s):
            self._turns.start(now_s)
            self._batches_waiting.popleft().set()

    def _has_singles(self) -> bool:
        return self._working > 0 or bool(self._waiting) or self._count_elsewhere() > 0

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


def _none() -> int:
    return 0
