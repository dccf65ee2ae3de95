"""Retention: what is too old is deleted in the background, a little at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from time import monotonic, sleep
from uuid import UUID

import pytest

from tests.history.records import BEGIN, make_record
from tests.live_server import run_server
from topfive.history import retention
from topfive.history.contract import GivenLabel, HistoryQuery
from topfive.history.database import Database
from topfive.history.ids import first_id_at
from topfive.history.kept import KeptHistory
from topfive.history.migration import upgrade
from topfive.history.records import LabelSource, PredictionRecord
from topfive.history.retention import (
    DELETED_AT_ONCE,
    Retention,
    RetentionEvents,
    delete_before,
)
from topfive.history.writing import write_records

WITHIN_S = 60


def made_before(age: timedelta, number: int = 0) -> PredictionRecord:
    """Make a prediction of so long ago."""
    at = datetime.now(UTC) - age
    return make_record(id=UUID(int=first_id_at(at).int + number), at=at)


def kept_ids(history: KeptHistory) -> list[UUID]:
    """List the ids of what is kept, newest first."""
    return [one.record.id for one in history.stream(HistoryQuery())]


@contextmanager
def at_work(database: Database, days: int, folder: Path) -> Iterator[tuple[Queue[int], Queue[str]]]:
    """Have what is older than so many days deleted; gives what it tells."""
    deleted: Queue[int] = Queue()
    failures: Queue[str] = Queue()
    one = Retention(
        database, days, folder / "retention.lock", RetentionEvents(deleted.put, failures.put)
    )
    one.start()
    try:
        yield deleted, failures
    finally:
        one.stop()
        one._thread.join(WITHIN_S)
        assert not one._thread.is_alive()


def test_only_what_is_older_is_deleted(database: Database, history: KeptHistory) -> None:
    """With its label where it has one; the prediction of that very moment stays."""
    records = [make_record(number) for number in range(10)]
    write_records(database, records)
    history.set_label(records[0].id, GivenLabel(LabelSource.PERSON, class_id=1))
    assert delete_before(database, BEGIN + timedelta(seconds=4)) == 4
    assert kept_ids(history) == [one.id for one in reversed(records[4:])]
    assert delete_before(database, BEGIN + timedelta(seconds=4)) == 0


def test_a_transaction_is_small(database: Database, history: KeptHistory) -> None:
    """However much is too old, others that write hardly wait; the oldest go first."""
    records = [make_record(number) for number in range(DELETED_AT_ONCE + 20)]
    write_records(database, records)
    assert delete_before(database, datetime.now(UTC)) == DELETED_AT_ONCE
    assert kept_ids(history) == [one.id for one in reversed(records[DELETED_AT_ONCE:])]
    assert delete_before(database, datetime.now(UTC)) == 20


def test_in_the_background_all_that_is_too_old_goes(
    database: Database, history: KeptHistory, tmp_path: Path
) -> None:
    """In several steps, told once; what is younger stays."""
    old = [made_before(timedelta(days=8), number) for number in range(DELETED_AT_ONCE * 2 + 1)]
    young = made_before(timedelta(days=6))
    write_records(database, [*old, young])
    with at_work(database, 7, tmp_path) as (deleted, failures):
        assert deleted.get(timeout=WITHIN_S) == len(old)
    assert kept_ids(history) == [young.id]
    assert failures.empty()


def test_one_worker_deletes_and_another_takes_over(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one of a machine's workers does it the others do not; when it ends the next does."""
    monkeypatch.setattr(retention, "_TAKE_OVER_S", 0.02)
    monkeypatch.setattr(retention, "_LOOKS_EVERY_S", 0.02)
    with at_work(database, 7, tmp_path) as (first, _):
        write_records(database, [made_before(timedelta(days=8))])
        assert first.get(timeout=WITHIN_S) == 1
        with at_work(database, 7, tmp_path) as (second, _):
            write_records(database, [made_before(timedelta(days=8))])
            assert first.get(timeout=WITHIN_S) == 1
            assert second.empty()
    with at_work(database, 7, tmp_path) as (next_one, _):
        write_records(database, [made_before(timedelta(days=8))])
        assert next_one.get(timeout=WITHIN_S) == 1


def test_a_database_that_fails_is_tried_again(
    tmp_path: Path, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why is told; once it can be used, what is too old goes."""
    monkeypatch.setattr(retention, "_LOOKS_EVERY_S", 0.02)
    with at_work(empty_database, 7, tmp_path) as (deleted, failures):
        assert "lacks a table" in failures.get(timeout=WITHIN_S)
        upgrade(empty_database)
        write_records(empty_database, [made_before(timedelta(days=8))])
        assert deleted.get(timeout=WITHIN_S) == 1


def test_a_service_deletes_what_is_too_old(
    database: Database, history_url: str, history: KeptHistory, tmp_path: Path
) -> None:
    """As its settings say, and its log tells how many; of two workers one does."""
    old, young = made_before(timedelta(days=8)), made_before(timedelta(days=6))
    write_records(database, [old, young])
    settings = {"model": "digits", "workers": "2", "history_retention_days": "7"}
    with run_server(tmp_path, history_url=history_url, **settings) as server:
        until_s = monotonic() + WITHIN_S
        while not server.events("history_expired"):
            assert monotonic() < until_s, server.lines
            sleep(0.1)
        assert [one["count"] for one in server.events("history_expired")] == [1]
    assert kept_ids(history) == [young.id]
