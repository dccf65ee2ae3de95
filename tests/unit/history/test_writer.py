"""The writer: what is noted is written once, and no database keeps a prediction waiting."""

import time
from dataclasses import dataclass, field
from threading import Event

import pytest

from tests.unit.history.predicted import record
from topfive.errors import HistoryUnreachable
from topfive.history.writer import (
    QUEUE_FULL,
    REFUSED,
    STOPPING,
    Writer,
    WriterEvents,
    WriterOptions,
)
from topfive.telemetry.metrics import HISTORY_LOSSES

AWAY = "The history's database does not answer."


@dataclass
class Database:
    """Takes batches when it may; `error` is what it raises in place of that."""

    batches: list = field(default_factory=list)
    attempts: int = 0
    error: Exception | None = None
    refused: set = field(default_factory=set)
    is_asked: Event = field(default_factory=Event)
    may_answer: Event = field(default_factory=Event)

    def write(self, batch):
        """Take a batch, but for those positions that are refused."""
        self.attempts += 1
        self.is_asked.set()
        assert self.may_answer.wait(10)
        if self.error:
            raise self.error
        self.batches.append([one.position for one in batch])
        return len([one for one in batch if one.position not in self.refused])

    @property
    def positions(self):
        """What was written, in its order."""
        return [one for batch in self.batches for one in batch]


@dataclass
class Told:
    """What a writer tells."""

    written: int = 0
    dropped: list = field(default_factory=list)
    events: list = field(default_factory=list)

    def note_written(self, count):
        """Add up what was written."""
        self.written += count

    def listeners(self):
        """Listen to all of it."""
        return WriterEvents(
            on_written=self.note_written,
            on_dropped=lambda reason, count: self.dropped.append((reason, count)),
            on_down=lambda reason: self.events.append(("down", reason)),
            on_back=lambda: self.events.append("back"),
            on_full=lambda waiting: self.events.append(("full", waiting)),
            on_lost=lambda reason, count: self.events.append((reason, count)),
            on_fault=self.events.append,
        )


@pytest.fixture
def database():
    """A database that answers."""
    one = Database()
    one.may_answer.set()
    return one


@pytest.fixture
def told():
    """Nothing is told yet."""
    return Told()


@pytest.fixture
def open_writer(database, told):
    """Open a writer that is closed in the end, when the database may answer."""
    opened = []

    def open_one(**options):
        given = {"most_waiting": 100, "retry_s": lambda _: 0.01, "gather_s": 0.01} | options
        opened.append(Writer(database.write, WriterOptions(**given), told.listeners()))
        return opened[-1]

    yield open_one
    database.may_answer.set()
    for one in opened:
        one.close()


def wait_until(holds):
    """Wait until something holds; for ten seconds at the most."""
    end_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def note(writer, *positions):
    """Note a record for each position."""
    for position in positions:
        writer.note(record(position))


def test_what_is_noted_is_written(open_writer, database, told):
    """In its order, and it no longer waits then."""
    writer = open_writer()
    note(writer, *range(30))
    wait_until(lambda: told.written == 30)
    assert (database.positions, writer.waiting) == (list(range(30)), 0)
    assert (told.dropped, told.events) == ([], [])


def test_without_predictions_there_is_no_thread(open_writer, database):
    """It begins with the first one, which is after the fork."""
    writer = open_writer()
    assert writer._thread is None
    writer.close()
    assert database.attempts == 0


def test_batches_have_a_most(open_writer, database, told):
    """What came while a batch was written is in the next ones."""
    writer = open_writer(most_rows=4)
    database.may_answer.clear()
    note(writer, 0)
    assert database.is_asked.wait(10)
    note(writer, *range(1, 10))
    database.may_answer.set()
    wait_until(lambda: told.written == 10)
    assert database.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


def test_nobody_waits_for_a_database_that_does_not_answer(open_writer, database, told):
    """What may not wait is dropped and counted; how many in all is said when it is back."""
    writer = open_writer(most_waiting=10)
    database.may_answer.clear()
    note(writer, 0)
    assert database.is_asked.wait(10)
    note(writer, *range(1, 15))
    assert writer.waiting == 10
    assert told.dropped == [("queue_full", 1)] * 5
    assert told.events == [("full", 10)]
    database.may_answer.set()
    wait_until(lambda: told.written == 10)
    wait_until(lambda: told.events == [("full", 10), ("queue_full", 5)])
    assert database.positions == list(range(10))


def test_what_could_not_be_written_is_written_later(open_writer, database, told):
    """An outage and its end are told once each, however often it was tried."""
    writer = open_writer()
    database.error = HistoryUnreachable(AWAY)
    note(writer, *range(5))
    wait_until(lambda: database.attempts >= 3)
    note(writer, 5)
    database.error = None
    wait_until(lambda: told.written == 6)
    assert database.positions == list(range(6))
    assert told.events == [("down", AWAY), "back"]


def test_waits_between_attempts_are_those_of_the_failures(open_writer, database, told):
    """The first failure in a row is the first again after a success."""
    failures = []
    writer = open_writer(retry_s=lambda count: failures.append(count) or 0.001)
    for _ in range(2):
        database.error = HistoryUnreachable(AWAY)
        note(writer, 0)
        before = len(failures)
        wait_until(lambda before=before: len(failures) >= before + 3)
        database.error = None
        written = told.written
        wait_until(lambda written=written: told.written > written)
    starts = [at for at, count in enumerate(failures) if count == 1]
    assert len(starts) == 2
    assert failures[: starts[1]] == list(range(1, starts[1] + 1))


def test_what_the_database_refuses_is_counted(open_writer, database, told):
    """The others of its batch are written, and what comes after."""
    writer = open_writer()
    database.refused = {1}
    note(writer, 0, 1, 2)
    wait_until(lambda: told.written == 2)
    note(writer, 3)
    wait_until(lambda: told.written == 3)
    wait_until(lambda: told.events == [("refused", 1)])
    assert told.dropped == [("refused", 1)]


def test_no_error_ends_the_writing(open_writer, database, told):
    """One that nobody foresaw costs its batch, and is told once until a batch is written."""
    writer = open_writer()
    database.error = ValueError("a fault")
    for count in (1, 2):
        note(writer, 0)
        wait_until(lambda count=count: told.dropped == [("refused", 1)] * count)
    first, database.error = database.error, None
    note(writer, 1)
    wait_until(lambda: told.written == 1)
    wait_until(lambda: told.events == [first, ("refused", 2)])


def test_closing_writes_what_waits(open_writer, database, told):
    """At once, though it would be gathered for long."""
    writer = open_writer(gather_s=60, most_rows=7)
    note(writer, *range(20))
    writer.close()
    assert (told.written, database.positions) == (20, list(range(20)))
    assert (told.dropped, told.events) == ([], [])


def test_closing_gives_a_database_time_to_come_back(open_writer, database, told):
    """It is tried again soon, though the next attempt would have been in a minute."""
    writer = open_writer(retry_s=lambda _: 60)
    database.error = HistoryUnreachable(AWAY)
    note(writer, 0)
    wait_until(lambda: told.events)
    attempts = database.attempts

    def fail_once_more(batch):
        database.error = None if database.attempts > attempts else database.error
        return Database.write(database, batch)

    writer._write = fail_once_more
    writer.close()
    assert told.written == 1
    assert told.events == [("down", AWAY), "back"]


def test_what_is_lost_in_the_end_is_told(open_writer, database, told):
    """With a dead database a worker ends all the same."""
    writer = open_writer(ends_within_s=0.2, most_waiting=3)
    database.error = HistoryUnreachable(AWAY)
    note(writer, *range(5))
    writer.close()
    assert told.dropped == [("queue_full", 1), ("queue_full", 1), ("stopping", 3)]
    assert sorted(told.events[-2:]) == [("queue_full", 2), ("stopping", 3)]
    assert told.events[0] == ("full", 3)


def test_a_database_that_hangs_keeps_no_worker(open_writer, database, told):
    """What it was given is told as lost, though it may take it yet."""
    writer = open_writer(ends_within_s=0.1)
    database.may_answer.clear()
    note(writer, 0)
    assert database.is_asked.wait(10)
    note(writer, 1)
    writer.close()
    assert told.dropped == [("stopping", 2)]


def test_after_closing_nothing_is_taken(open_writer, database, told):
    """It is counted as dropped."""
    writer = open_writer()
    writer.close()
    note(writer, 0)
    assert told.dropped == [("stopping", 1)]
    assert database.attempts == 0


def test_metrics_know_every_reason_for_a_loss():
    """Each begins at 0 there, so that the first loss is seen."""
    assert set(HISTORY_LOSSES) == {QUEUE_FULL, REFUSED, STOPPING}
