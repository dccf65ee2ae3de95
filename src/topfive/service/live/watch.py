"""Measures live accuracy and drift again and again; of the workers of a machine, one does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from filelock import FileLock, Timeout

from topfive.history.observations import ObservedModel
from topfive.predictions import ModelRef
from topfive.service.live.figures import Figures, FigureStore, measure_figures
from topfive.service.live.measures import MeasuredHistory
from topfive.telemetry.metrics import LiveFigures

_MEASURE_EVERY_S = 60.0
# How soon another worker takes over where the one that measures has ended.
_TAKE_OVER_S = 5.0


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """Who is told that a version begins or ceases to drift, and that nothing can be measured."""

    on_drift: Callable[[LiveFigures], None]
    on_drift_over: Callable[[LiveFigures], None]
    on_failure: Callable[[Exception], None]


class LiveWatch:
    """A background thread that measures what versions did last, and writes it to `store`.

    `lock` is a file of which one worker at a time has the lock; None: there is no other worker.
    """

    def __init__(
        self,
        measures: MeasuredHistory,
        store: FigureStore,
        events: LiveEvents,
        lock: Path | None,
        every_s: float = _MEASURE_EVERY_S,
    ) -> None:
        self._measures = measures
        self._store = store
        self._events = events
        self._lock = FileLock(lock, thread_local=False) if lock else None
        self._every_s = every_s
        self._drifting: set[ModelRef] = set()
        self._has_failed = False
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="topfive-live-watch", daemon=True)

    def start(self) -> None:
        """Begin to measure."""
        self._thread.start()

    def stop(self) -> None:
        """Measure no more; what is under way ends with the version that is being measured."""
        self._stopping.set()

    def _run(self) -> None:
        with self._releasing():
            wait_s = 0.0
            while not self._stopping.wait(wait_s):
                wait_s = self.step()

    def step(self) -> float:
        """Measure, if it is this worker that does; returns the seconds to wait."""
        try:
            if self._lock is not None:
                # It is kept until this worker ends.
                self._lock.acquire(blocking=False)
            self.measure()
        except Timeout:
            return _TAKE_OVER_S
        except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end the measuring
            self._note_failure(error)
        else:
            self._has_failed = False
        return self._every_s

    def measure(self) -> None:
        """Measure all versions once, and tell of drift; raises HistoryUnavailable and OSError."""
        figures = tuple(self._measure_each(self._measures.observed()))
        if not self._stopping.is_set():
            self._store.write(figures)
            self._tell(figures)

    def _measure_each(self, observed: tuple[ObservedModel, ...]) -> Iterator[LiveFigures]:
        for one in observed:
            if self._stopping.is_set():
                return
            self._measures.keep_reference(one)
            yield measure_figures(self._measures, one)

    def _tell(self, figures: Figures) -> None:
        drifting = {one.model for one in figures if one.is_drifting}
        for one in figures:
            if one.is_drifting and one.model not in self._drifting:
                self._events.on_drift(one)
            # Where too little is known now, the drift is not over.
            if one.is_drifting is False and one.model in self._drifting:
                self._events.on_drift_over(one)
        known = {one.model for one in figures if one.is_drifting is not None}
        self._drifting = drifting | (self._drifting - known)

    def _note_failure(self, error: Exception) -> None:
        if not self._has_failed:
            self._events.on_failure(error)
        self._has_failed = True

    @contextmanager
    def _releasing(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._lock is not None:
                self._lock.release(force=True)
