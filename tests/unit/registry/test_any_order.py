"""Whatever happens in whatever order, settled workers mean the same version by a name."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.registry.workers import Machine
from topfive.concurrency.backoff import Backoff
from topfive.errors import ModelBusy
from topfive.models import RouteView, TargetView
from topfive.predictions import ModelRef
from topfive.registry import follower as module
from topfive.registry.state import Change

ALL = [*(ModelRef("flowers", version) for version in "123"), ModelRef("birds", "1")]
REFS = st.sampled_from(ALL)
WORKERS = st.integers(0, 2)


class Workers(RuleBasedStateMachine):
    """Three workers of one machine; each rule is one thing that can happen."""

    def __init__(self):
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.now_s = 0.0
        self.patch.setattr(module, "monotonic", lambda: self.now_s)
        self.machine = Machine(3, room=3)
        self.machine.store.on_change = self._nobody_is_left_behind

    def teardown(self):
        """Give the clock back."""
        self.patch.undo()

    @rule(ref=REFS)
    def activate(self, ref):
        """An operator activates a version."""
        self._order(Change(activates=frozenset({ref})))

    @rule(ref=REFS)
    def load(self, ref):
        """An operator has a version loaded."""
        self._order(Change(keeps=frozenset({ref})))

    @rule(ref=REFS)
    def route(self, ref):
        """An operator sends half of the requests to a version."""
        half = RouteView((TargetView("flowers", None, 1), TargetView(ref.name, ref.version, 1)))
        self._order(Change(routes={"default": half}))

    @rule(ref=REFS)
    def unload(self, ref):
        """An operator gives up a version that was loaded."""
        if ref not in self.machine.store.state.active_versions:
            self.machine.unload(ref)

    @rule(number=WORKERS)
    def begin_to_refuse(self, number):
        """A worker can load no version any more."""
        self._worker(number).models.refuses |= dict.fromkeys(ALL, "It is damaged.")

    @rule(number=WORKERS)
    def refuse_no_more(self, number):
        """All bundles are well again for this worker."""
        self._worker(number).models.refuses.clear()

    @rule(number=WORKERS)
    def step(self, number):
        """A worker does all that it does in one turn."""
        self._worker(number).follower.step()

    @rule()
    def all_step(self):
        """Every worker takes a few turns."""
        self.machine.run(3)

    @rule(number=WORKERS, part=st.sampled_from(["look", "load_next", "carry_out", "settle"]))
    def part_of_a_step(self, number, part):
        """A worker does one part of its turn, and is interrupted by others."""
        getattr(self._worker(number).follower, part)()

    @rule(number=WORKERS, is_loading=st.booleans())
    def kill(self, number, is_loading):
        """A worker is killed, perhaps while it loads; what it refused, its successor refuses.

        Not the last one that knows a state which the store has lost: nobody could give it back.
        """
        worker = self._worker(number)
        if self._alone_knows(worker):
            return
        if is_loading and self.machine.kill_while_loading(worker):
            pass
        elif worker in self.machine.workers:
            self.machine.kill(worker)
        self.machine.start_worker(room=3, refuses=dict(worker.models.refuses))

    @precondition(lambda self: self.machine.is_known_to_all)
    @rule()
    def lose_the_state(self):
        """The store loses its content, which all workers have seen."""
        self.machine.store.state = type(self.machine.store.state)()

    @precondition(lambda self: not any(one.models.refuses for one in self.machine.workers))
    @rule()
    def settle(self):
        """With nothing to refuse and no further orders, the workers come to agree."""
        self.now_s += Backoff().most_s
        self.machine.run(20)
        assert self.machine.is_settled
        assert len(self._versions()) <= 1, self.machine.versions

    @invariant()
    def settled_workers_agree(self):
        """No two workers that are settled mean different versions."""
        if self.machine.is_settled:
            assert len(self._versions()) <= 1, self.machine.versions
            active = self.machine.store.state.active
            for worker in self.machine.workers:
                assert active.items() <= worker.models.active.items()

    @invariant()
    def generations_only_grow(self):
        """No change makes a state of an earlier generation."""
        generations = self.machine.store.generations
        assert generations == sorted(generations)

    @invariant()
    def what_a_name_means_is_loaded(self):
        """A worker never means a version that it does not have."""
        for worker in self.machine.workers:
            meant = {ModelRef(*pair) for pair in worker.models.active.items()}
            assert meant <= worker.models.ready()

    def _versions(self):
        """List what workers mean; one that cannot load what settings say means nothing."""
        return set(self.machine.versions) - {None}

    def _nobody_is_left_behind(self, former, state):
        """No version becomes active while a worker that runs does not have it."""
        for ref in state.active_versions - former.active_versions:
            assert all(ref in worker.models.ready() for worker in self.machine.workers), ref

    def _alone_knows(self, worker):
        """Whether no other worker, and not the store, has the newest state that it knows."""
        newest = worker.follower.state.generation
        others = [one.follower.state for one in self.machine.workers if one is not worker]
        return all(one.generation < newest for one in [*others, self.machine.store.state])

    def _order(self, change):
        try:
            self.machine.order(change)
        except ModelBusy:
            return

    def _worker(self, number):
        return self.machine.workers[number % len(self.machine.workers)]


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=100, stateful_step_count=40)
