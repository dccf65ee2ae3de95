"""Workers, models and a store in this process, that tests let act in any order."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time

from topfive.errors import ModelRefused
from topfive.machine.processes import ProcessId
from topfive.models import RouteView
from topfive.predictions import ModelRef
from topfive.registry.follower import Follower, FollowerEvents
from topfive.registry.reports import ModelReport, WorkerReport
from topfive.registry.settling import is_settled
from topfive.registry.state import DesiredState
from topfive.registry.state_stores import newest


class StoreInMemory:
    """A desired state that several followers share; it notes every generation there was."""

    def __init__(self):
        self.state = DesiredState()
        self.generations = [0]
        self.on_change: Callable[[DesiredState, DesiredState], None] = lambda *_: None

    def read(self):
        """Return the state."""
        return self.state

    def change(self, step, known):
        """Replace the state."""
        former = newest(self.state, known)
        self.state = step(former)
        self.on_change(former, self.state)
        self.generations.append(self.state.generation)
        return self.state


class ReportsInMemory:
    """Reports of workers, of which some have ended."""

    refresh_s = float("inf")

    def __init__(self):
        self.reports: dict[ProcessId, WorkerReport] = {}
        self.dead: set[ProcessId] = set()

    def write(self, report):
        """Keep a report; one that has ended writes no more."""
        if report.process not in self.dead:
            self.reports[report.process] = report

    def withdraw(self, process):
        """Forget a report."""
        self.reports.pop(process, None)

    def live(self):
        """List the reports of workers that run."""
        return [one for one in self.reports.values() if one.process not in self.dead]

    def ended(self):
        """List the reports of workers that have ended."""
        return [one for one in self.reports.values() if one.process in self.dead]


@dataclass
class FakeModels:
    """The models of one worker: `refuses` says which versions it cannot load, and why.

    `room` is how many there can be at once; the first that is not in use makes room.
    """

    active: dict[str, str]
    refuses: dict[ModelRef, str] = field(default_factory=dict)
    room: int = 100
    loaded: list[ModelRef] = field(default_factory=list)
    routes: Mapping[str, RouteView] = field(default_factory=dict)
    on_load: Callable[[], None] = lambda: None

    def ready(self):
        """List what is loaded."""
        return frozenset(self.loaded)

    def load(self, ref):
        """Load a version, or refuse it."""
        self.on_load()
        if ref in self.refuses:
            raise ModelRefused(self.refuses[ref])
        if len(self.loaded) >= self.room:
            unused = [one for one in self.loaded if one not in self._in_use()]
            if not unused:
                raise ModelRefused("There is no memory for it.")
            self.loaded.remove(unused[0])
        self.loaded.append(ref)

    def follow(self, state):
        """Have names mean versions that are loaded, and unload what nobody wants."""
        self.active |= {n: v for n, v in state.active.items() if ModelRef(n, v) in self.loaded}
        self.routes = state.routes
        kept = state.wanted | self._in_use()
        self.loaded = [one for one in self.loaded if one in kept]

    def describe(self):
        """Tell what is loaded."""
        return tuple(ModelReport(one, "ready") for one in self.loaded)

    def _in_use(self):
        return {ModelRef(name, version) for name, version in self.active.items()}


@dataclass
class Worker:
    """A follower with its models."""

    follower: Follower
    models: FakeModels


class Machine:
    """Several workers that share a store, reports and the lock for loading."""

    def __init__(self, count: int = 2, **models):
        self.store = StoreInMemory()
        self.reports = ReportsInMemory()
        self.refused: list[tuple[ModelRef, str]] = []
        self.workers: list[Worker] = []
        self._started = 0
        self._is_loading = False
        for _ in range(count):
            self.start_worker(**models)

    def start_worker(self, **given):
        """Start a worker as a server does: with what is desired by then."""
        active = {"flowers": "1"} | dict(self.store.state.active)
        models = FakeModels(active, **given)
        models.loaded = [ModelRef(*pair) for pair in active.items()]
        models.loaded = [one for one in models.loaded if one not in models.refuses]
        models.active = {one.name: one.version for one in models.loaded}
        self._started += 1
        follower = Follower(
            ProcessId(self._started, self._started),
            models,
            self.store,
            self.reports,
            self._loading_lock,
            FollowerEvents(lambda _: None, lambda: None, self._note_refused),
        )
        follower.announce()
        self.workers.append(Worker(follower, models))
        return self.workers[-1]

    def kill(self, worker):
        """End a worker without a chance to tidy up."""
        self.workers.remove(worker)
        self.reports.dead.add(worker.follower.process)
        self._is_loading = False

    def kill_while_loading(self, worker):
        """Let a worker step, and end it when it loads; tells whether it did."""

        def die():
            self.reports.dead.add(worker.follower.process)
            raise KeyboardInterrupt

        worker.models.on_load = die
        try:
            worker.follower.step()
        except KeyboardInterrupt:
            self.kill(worker)
            return True
        worker.models.on_load = lambda: None
        return False

    def order(self, change):
        """Give an order; returns the state that it made."""
        return self.store.change(lambda state: state.begin(change, time()), self.known)

    def unload(self, ref):
        """Order that a version is kept no longer."""
        self.store.change(lambda state: state.forget(frozenset({ref})), self.known)

    def run(self, steps=12):
        """Let all workers step, one after the other."""
        for _ in range(steps):
            for worker in self.workers:
                worker.follower.step()

    @property
    def known(self):
        """The latest state that any worker has taken in."""
        states = [worker.follower.state for worker in self.workers]
        return max(states, key=lambda one: one.generation, default=DesiredState())

    @property
    def is_known_to_all(self):
        """Whether every worker has taken in the state."""
        return all(worker.follower.state == self.store.state for worker in self.workers)

    @property
    def is_settled(self):
        """Whether all workers have what is desired."""
        return is_settled(self.store.state, self.reports.live())

    @property
    def versions(self):
        """The versions that each worker means by `flowers`."""
        return [worker.models.active.get("flowers") for worker in self.workers]

    @contextmanager
    def _loading_lock(self):
        if self._is_loading:
            raise TimeoutError
        self._is_loading = True
        try:
            yield
        finally:
            self._is_loading = False

    def _note_refused(self, ref, reason):
        self.refused.append((ref, reason))
