"""Whatever happens in whatever order, the scheduler's accounts are right, and end at zero."""

from math import inf

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.server.scripts import scheduler_with
from topfive.server.upload import BatchLaneLimits, Decision, Refusal, Stage, Upload, Verdict, Work

LIMITS = {
    "slots": 2,
    "queue": 2,
    "streams": 2,
    "others": 2,
    "probes": 2,
    "body_bytes": 100_000,
    "held_bytes": 400_000,
    "closing_connections": 2,
    "batches": BatchLaneLimits(at_work=2, waiting=2),
}
# A cache is on: predictions have a thread before a slot, and some without a queue slot are tried.
WITH_LOOKUPS = {**LIMITS, "lookups": 1, "only_cached": 3}
LOOKUP = "without a queue slot"
WITH_THREADS = (Stage.WORKING, Stage.ANSWERED)
COUNTS = st.one_of(st.integers(1, 200), st.integers(60_000, 150_000))


class Accounts(RuleBasedStateMachine):
    """Does with a scheduler all that the event loop may do, and keeps simple accounts beside it.

    `working` are the requests that `next_work` named, by the lane they came from.
    """

    limits = LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = scheduler_with(**self.limits)
        self.now_s = 0.0
        self.open: list[Upload] = []
        self.taken: dict[Upload, int] = {}
        self.working: dict[Upload, Work | str] = {}
        self.streaming: set[Upload] = set()
        self.waiting: dict[Upload, Work | str] = {}
        self.closing: set[Upload] = set()

    def some(self, data: st.DataObject, *stages: Stage) -> Upload | None:
        """Choose a connection in one of these stages."""
        found = [one for one in self.open if one.stage in stages]
        return data.draw(st.sampled_from(found)) if found else None

    @precondition(lambda self: len(self.open) < 20)
    @rule()
    def connect(self) -> None:
        """A client connects."""
        upload = Upload()
        self.scheduler.accepted(upload, self.now_s)
        self.open.append(upload)

    @rule(data=st.data(), count=COUNTS)
    def send(self, data: st.DataObject, count: int) -> None:
        """Bytes arrive, before a request, within it, or behind one that is under way."""
        upload = self.some(data, Stage.IDLE, Stage.HEAD, Stage.BODY, Stage.WAITING, *WITH_THREADS)
        if upload is None:
            return
        for one, refusal in self.scheduler.arrived(upload, count, self.now_s):
            assert one.held_bytes > 64 * 1024
            self.carry_out(one, refusal, data)

    @rule(data=st.data(), work=st.sampled_from(Work))
    def complete_head(self, data: st.DataObject, work: Work) -> None:
        """A head is whole."""
        upload = self.some(data, Stage.HEAD)
        if upload is not None:
            self.scheduler.head_complete(upload, work, self.now_s)
            self.decide(upload, data)

    @rule(data=st.data())
    def go_on_with_body(self, data: st.DataObject) -> None:
        """More of a body was read."""
        upload = self.some(data, Stage.BODY)
        if upload is not None:
            self.decide(upload, data)

    def decide(self, upload: Upload, data: st.DataObject) -> None:
        """Ask what becomes of a body, and do it."""
        missing = data.draw(st.sampled_from([0, 0, 10, 90_000, 200_000, inf]))
        was_full = self.scheduler.is_full
        verdict = self.scheduler.body_arrived(upload, missing, self.now_s)
        if upload.work is Work.PREDICTION and was_full:
            is_tried = self.limits is WITH_LOOKUPS and verdict is not Decision.STREAM
            assert isinstance(verdict, Refusal) or is_tried
        self.carry_out(upload, verdict, data)

    def carry_out(self, upload: Upload, verdict: Verdict, data: st.DataObject) -> None:
        """Do what the scheduler decided, as the event loop does."""
        if isinstance(verdict, Refusal):
            self.end_or_refuse(upload, verdict, data)
        elif verdict is not Decision.READ_ON:
            # What was taken of a request; the rest belongs to the next one.
            self.taken[upload] = data.draw(st.integers(0, upload.held_bytes))
            if verdict is Decision.STREAM:
                self.streaming.add(upload)
            else:
                self.waiting[upload] = LOOKUP if upload.only_cached else upload.work

    def end_or_refuse(self, upload: Upload, refusal: Refusal, data: st.DataObject) -> None:
        """Close a connection, or tell its client of a failure first."""
        self.waiting.pop(upload, None)
        if refusal.failure is None:
            self.drop(upload)
        elif not self.scheduler.refused(upload, self.now_s, is_whole=data.draw(st.booleans())):
            self.read_to_the_end(upload)

    def read_to_the_end(self, upload: Upload) -> None:
        """Hear a connection to its end, where not too many are heard already."""
        has_room = len(self.closing) < LIMITS["closing_connections"]
        assert self.scheduler.closing(upload, self.now_s) == has_room
        if has_room:
            self.closing.add(upload)
        else:
            self.drop(upload)

    @rule()
    def start_work(self) -> None:
        """A thread asks for work."""
        upload = self.scheduler.next_work()
        if upload is not None:
            self.working[upload] = self.waiting.pop(upload)

    @rule(data=st.data())
    def finish_work(self, data: st.DataObject) -> None:
        """An answer is made."""
        upload = self.some(data, Stage.WORKING)
        if upload is not None:
            upload.is_overloaded = data.draw(st.booleans())
            self.scheduler.work_done(upload, self.taken.pop(upload))
            self.working.pop(upload, None)
            self.streaming.discard(upload)

    @rule(data=st.data(), outcome=st.sampled_from(["unsent", "kept", "linger", "close"]))
    def go_on_after_answer(self, data: st.DataObject, outcome: str) -> None:
        """An answer is sent, or waits for its client."""
        upload = self.some(data, Stage.ANSWERED, Stage.SENDING)
        if upload is None:
            return
        if outcome == "unsent":
            self.scheduler.answer_unsent(upload, self.now_s)
        elif outcome == "kept":
            self.scheduler.answered(upload, self.now_s)
        elif outcome == "linger":
            self.read_to_the_end(upload)
        else:
            self.drop(upload)

    @rule(data=st.data(), passed_s=st.sampled_from([0.0, 0.5, 2.0, 9.0, 31.0]))
    def let_time_pass(self, data: st.DataObject, passed_s: float) -> None:
        """Time passes, and decides."""
        self.now_s += passed_s
        for upload, verdict in self.scheduler.tick(self.now_s):
            assert upload.stage not in WITH_THREADS
            self.carry_out(upload, verdict, data)

    @rule(data=st.data())
    def lose_client(self, data: st.DataObject) -> None:
        """A connection breaks, at any stage in which no thread has it."""
        stages = set(Stage) - {*WITH_THREADS}
        upload = self.some(data, *sorted(stages, key=lambda one: one.value))
        if upload is not None:
            self.drop(upload)

    @precondition(lambda self: not self.scheduler.is_stopping)
    @rule(is_meant=st.integers(0, 9).map(lambda number: number == 0))
    def stop(self, is_meant: bool) -> None:
        """The worker is told to stop; most runs go on without."""
        if is_meant:
            self.scheduler.stop(self.now_s)

    def drop(self, upload: Upload) -> None:
        """Close a connection."""
        self.scheduler.gone(upload)
        self.open.remove(upload)
        self.waiting.pop(upload, None)
        self.closing.discard(upload)
        self.taken.pop(upload, None)

    @invariant()
    def lanes_are_within_their_limits(self) -> None:
        """No more are at work than there are slots, nor are more predictions inside than places.

        Beside predictions that take long there are as many spare slots.
        """
        counted = list(self.working.values())
        at_once = 2 * LIMITS["slots"] + self.limits.get("lookups", 0)
        assert counted.count(Work.PREDICTION) <= at_once
        lookups = [*counted, *self.waiting.values()].count(LOOKUP)
        assert lookups <= self.limits.get("only_cached", 0)
        assert counted.count(LOOKUP) <= 1
        assert counted.count(Work.OTHER) <= LIMITS["others"]
        assert counted.count(Work.PROBE) <= LIMITS["probes"]
        assert counted.count(Work.BATCH) <= self.scheduler.limits.batches.at_work
        assert len(self.streaming) <= LIMITS["streams"]
        batches = list(self.waiting.values()).count(Work.BATCH)
        assert len(self.scheduler.waiting_batches) == batches
        assert counted.count(Work.BATCH) + batches <= 4
        waiting = list(self.waiting.values()).count(Work.PREDICTION)
        assert self.scheduler.waiting == waiting
        assert self.scheduler.predictions == counted.count(Work.PREDICTION) + waiting
        assert self.scheduler.predictions <= self.scheduler.limits.capacity

    @invariant()
    def bytes_are_those_of_the_open_connections(self) -> None:
        """What is held is the sum over the connections, and never negative."""
        assert all(one.held_bytes >= 0 for one in self.open)
        assert self.scheduler.held_bytes == sum(one.held_bytes for one in self.open)

    @invariant()
    def connections_are_the_open_ones(self) -> None:
        """Every connection is known until it is closed."""
        assert self.scheduler.connections == len(self.open)

    @invariant()
    def threads_that_are_free_find_what_may_start(self) -> None:
        """Whatever waits is in the stage of waiting, and nothing else is."""
        assert {one for one in self.open if one.stage is Stage.WAITING} == set(self.waiting)
        assert {one for one in self.open if one.stage is Stage.CLOSING} == self.closing

    def teardown(self) -> None:
        """When everybody has been answered or has left, nothing is counted any more."""
        while (upload := self.scheduler.next_work()) is not None:
            self.working[upload] = self.waiting.pop(upload)
            self.finish(upload)
        for upload in [*self.working, *self.streaming]:
            self.finish(upload)
        assert not self.waiting
        for upload in list(self.open):
            self.drop(upload)
        assert self.scheduler.connections == 0
        assert self.scheduler.held_bytes == 0
        assert self.scheduler.predictions == 0
        assert self.scheduler.tick(inf) == []

    def finish(self, upload: Upload) -> None:
        """Answer what a thread has."""
        self.scheduler.work_done(upload, self.taken.pop(upload))
        self.working.pop(upload, None)
        self.streaming.discard(upload)


class AccountsWithLookups(Accounts):
    """Does the same where a cache is on."""

    limits = WITH_LOOKUPS


for machine in (Accounts, AccountsWithLookups):
    machine.TestCase.settings = settings(
        max_examples=100, stateful_step_count=60, derandomize=True, database=None
    )
TestAccounts = Accounts.TestCase
TestAccounts.__doc__ = "No sequence of events leaks a queue slot, a byte or a connection."
TestAccountsWithLookups = AccountsWithLookups.TestCase
TestAccountsWithLookups.__doc__ = "Nor does one where predictions look into a cache."
