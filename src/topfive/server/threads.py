"""The threads that answer requests; the one that became idle last is woken first.

Its stack and what it last worked with are still in the processor's cache.
"""

from collections import deque
from collections.abc import Callable
from threading import Lock, Thread
from typing import Generic, TypeVar

TaskT = TypeVar("TaskT")


class _Seat(Generic[TaskT]):
    """Where one thread waits for its next task."""

    def __init__(self) -> None:
        self.task: TaskT | None = None
        self.is_given = Lock()
        self.is_given.acquire()


class Threads(Generic[TaskT]):
    """`count` threads that call `serve` with each task, and then with the task it returns."""

    def __init__(self, count: int, serve: Callable[[TaskT], TaskT | None]) -> None:
        self._count = count
        self._serve = serve
        self._lock = Lock()
        self._idle: list[_Seat[TaskT]] = []
        self._waiting: deque[TaskT] = deque()

    def start(self) -> None:
        """Start the threads; they end with the process."""
        for number in range(self._count):
            Thread(target=self._work, name=f"topfive-{number}", daemon=True).start()

    def give(self, task: TaskT) -> None:
        """Have an idle thread take a task, or the next one that becomes idle."""
        with self._lock:
            if not self._idle:
                self._waiting.append(task)
                return
            seat = self._idle.pop()
        seat.task = task
        seat.is_given.release()

    def _work(self) -> None:
        seat: _Seat[TaskT] = _Seat()
        while True:
            task = self._next(seat)
            while task is not None:
                task = self._serve(task)

    def _next(self, seat: _Seat[TaskT]) -> TaskT | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(seat)
        seat.is_given.acquire()
        task, seat.task = seat.task, None
        return task
