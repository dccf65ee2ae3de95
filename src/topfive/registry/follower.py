"""Has one worker follow the desired state: load beside what serves, report, switch together."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any, Protocol

from topfive.concurrency.backoff import Backoff
from topfive.errors import ModelRefused, StateUnavailable
from topfive.machine.processes import ProcessId
from topfive.predictions import ModelRef
from topfive.registry.reports import ModelReport, Reports, WorkerReport
from topfive.registry.settling import count_deaths, settle
from topfive.registry.state import Change, DesiredState, union
from topfive.registry.state_stores import StateStore


class Models(Protocol):
    """What the follower does to the models of its worker."""

    def ready(self) -> frozenset[ModelRef]:
        """List the versions that are loaded and can serve."""
        ...

    def load(self, ref: ModelRef) -> None:
        """Load a version beside the others, and check it.

        Raises ModelRefused, with the reason, or TimeoutError where it is being loaded already.
        """
        ...

    def follow(self, state: DesiredState) -> None:
        """Have names and aliases mean what the state says, of what is ready.

        What is not wanted any more, nor named by settings, is unloaded after its last request.
        """
        ...

    def describe(self) -> tuple[ModelReport, ...]:
        """Tell how each version stands."""
        ...


@dataclass(frozen=True, slots=True)
class FollowerEvents:
    """Whom to tell: once that the state is out of reach, once that it is back; what is refused."""

    on_lost: Callable[[StateUnavailable], None]
    on_found: Callable[[], None]
    on_refused: Callable[[ModelRef, str], None]


class Follower:
    """Carries out in one worker, step by step, what is desired; no two steps at the same time.

    `loading_lock` is held while a version is loaded: by one worker of the machine at a time, so
    that the others serve undisturbed. It raises TimeoutError where it is not free at once.
    """

    def __init__(
        self,
        process: ProcessId,
        models: Models,
        store: StateStore,
        reports: Reports,
        loading_lock: Callable[[], AbstractContextManager[object]],
        events: FollowerEvents,
    ) -> None:
        self._models = models
        self._store = store
        self._reports = reports
        self._loading_lock = loading_lock
        self._events = events
        self._report = WorkerReport(process)
        self._written: WorkerReport | None = None
        self._written_s = 0.0
        self._retry_at_s: dict[ModelRef, float] = {}
        self._failures: Counter[ModelRef] = Counter()
        self._backoff = Backoff()
        self._is_lost = False
        self._is_unheard = False
        self.process = process
        self.state = DesiredState()

    def announce(self) -> None:
        """Report that this worker is there and has nothing yet: orders wait for it."""
        self._say()

    def begin(self) -> None:
        """Take in the desired state when the worker starts, and load what all others have."""
        self.look()
        for ref in sorted(self.state.kept - self._models.ready(), key=str):
            with suppress(TimeoutError):
                self._load(ref)
        self.carry_out()

    def step(self) -> None:
        """Take in the desired state, load one version at the most, report, and settle orders."""
        self.look()
        self.load_next()
        self.carry_out()
        self.settle()

    def look(self) -> None:
        """Take in the desired state, if there is a later one; a store that lost it gets it back."""
        try:
            found = self._store.read()
            if found.generation < self.state.generation:
                found = self._store.change(lambda state: state, self.state)
        except StateUnavailable as error:
            self._note_lost(error)
            return
        self._note_found()
        if found.generation > self.state.generation:
            self.state = found
            self._forget_what_is_over()
            self._models.follow(self.state)

    def load_next(self) -> None:
        """Load one version that is wanted, if it is this worker's turn."""
        ref = self._next_to_load()
        if ref is None:
            return
        try:
            with self._loading_lock():
                # While it waited for its turn another worker may have refused it.
                self.look()
                if ref in self.state.wanted:
                    self._load(ref)
        except TimeoutError:
            return

    def carry_out(self) -> None:
        """Report the generation as reached if nothing that it wants is left to load."""
        reached = self._report.reached if self._to_load() else self.state.generation
        missing = self.state.kept - self._report.evicted - self._models.ready()
        self._say(reached=reached, missing=missing)

    def settle(self) -> None:
        """Commit or drop the orders under way, where all reports together decide it."""
        if not (self.state.changes or self._report.evicted):
            return
        try:
            if self._settled(self.state) == self.state:
                return
            self._store.change(self._settled, self.state)
        except StateUnavailable as error:
            self._note_lost(error)
            return
        self.look()

    def withdraw(self) -> None:
        """Take this worker's report away, when it is to end; out of reach, it ends by itself."""
        with suppress(StateUnavailable):
            self._reports.withdraw(self.process)

    def _settled(self, state: DesiredState) -> DesiredState:
        return settle(count_deaths(state, self._reports.ended()), self._reports.live(), time())

    def _next_to_load(self) -> ModelRef | None:
        # What others serve already comes before what an order is still to bring.
        kept = self.state.kept
        to_load = sorted(self._to_load(), key=lambda ref: (ref not in kept, ref.name, ref.version))
        return next(iter(to_load), None)

    def _to_load(self) -> frozenset[ModelRef]:
        """List what is wanted and not ready, but for what was given up, or is not yet tried again.

        What an order needs is never left out: it is ready, or the order is refused.
        """
        ordered = union(one.needs for one in self.state.changes if not self._refuses(one))
        now_s = monotonic()
        waiting = {ref for ref, at_s in self._retry_at_s.items() if now_s < at_s}
        kept = self.state.kept - self._report.evicted - waiting
        return (ordered | kept) - self._models.ready()

    def _refuses(self, change: Change) -> bool:
        return change.generation in self._report.refused

    def _load(self, ref: ModelRef) -> None:
        before = self._models.ready()
        self._say(loading=ref, seen=self.state.generation)
        try:
            self._models.load(ref)
        except ModelRefused as error:
            self._refuse(ref, error.detail)
        else:
            self._retry_at_s.pop(ref, None)
            self._failures.pop(ref, None)
            self._note_evicted(before - self._models.ready())
        finally:
            self._say(loading=None)
        self._models.follow(self.state)

    def _refuse(self, ref: ModelRef, reason: str) -> None:
        """Refuse the orders that need a version; what all others have is tried again later."""
        if self._refuse_orders(ref, reason):
            self._events.on_refused(ref, reason)
        self._failures[ref] += 1
        self._retry_at_s[ref] = monotonic() + self._backoff.draw_wait_s(self._failures[ref])

    def _refuse_orders(self, ref: ModelRef, reason: str) -> bool:
        refused = {one.generation: reason for one in self.state.changes if ref in one.needs}
        self._say(refused={**self._report.refused, **refused})
        return bool(refused)

    def _note_evicted(self, evicted: frozenset[ModelRef]) -> None:
        """Report what had to make room; an order that needs it cannot be carried out."""
        self._say(evicted=self._report.evicted | evicted & self.state.kept)
        for ref in evicted:
            self._refuse_orders(ref, f"Another model needed the memory of {ref.name} meanwhile.")

    def _forget_what_is_over(self) -> None:
        under_way = {one.generation for one in self.state.changes}
        refused = {g: why for g, why in self._report.refused.items() if g in under_way}
        self._say(refused=refused, evicted=self._report.evicted & self.state.kept)

    def _say(self, **changed: Any) -> None:
        self._report = replace(self._report, **changed, models=self._models.describe())
        is_due = monotonic() - self._written_s >= self._reports.refresh_s
        if is_due or self._report != self._written:
            self._write()

    def _write(self) -> None:
        """Leave the report; where that fails it is due again, and the worker goes on serving."""
        self._is_unheard = True
        try:
            self._reports.write(self._report)
        except StateUnavailable as error:
            self._note_lost(error)
            return
        self._written, self._written_s = self._report, monotonic()
        self._is_unheard = False

    def _note_lost(self, error: StateUnavailable) -> None:
        was_lost, self._is_lost = self._is_lost, True
        if not was_lost:
            self._events.on_lost(error)

    def _note_found(self) -> None:
        if self._is_unheard:
            return
        was_lost, self._is_lost = self._is_lost, False
        if was_lost:
            self._events.on_found()
