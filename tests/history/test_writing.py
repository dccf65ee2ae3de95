"""What is written is there, once, and as it was."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from tests.history.records import DIGITS, NEWER_PETS, PETS, make_record
from topfive.history.contract import HistoryQuery
from topfive.history.database import Database
from topfive.history.kept import KeptHistory
from topfive.history.records import KeptPrediction, PredictionRecord
from topfive.history.writing import write_records
from topfive.predictions import CacheStatus, ClassScore


def test_a_prediction_is_read_as_it_was_written(database: Database, history: KeptHistory) -> None:
    """Nothing is lost or rounded: times to the microsecond, confidences to the last bit."""
    record = make_record(
        confidence=0.1 + 0.2,
        at=make_record().at + timedelta(microseconds=123457),
        alias="production",
        cache=CacheStatus.HIT,
        is_degraded=True,
        key_id="0123456789abcdef",
        position=7,
    )
    assert write_records(database, [record]) == 1
    assert history.find(record.id) == KeptPrediction(record)


def test_class_names_are_told_as_they_were(database: Database, history: KeptHistory) -> None:
    """Each version of a model keeps its own classes, whatever becomes of its bundle."""
    records = [make_record(number, model=model) for number, model in enumerate((PETS, NEWER_PETS))]
    write_records(database, records)
    assert [history.find(one.id).record.model.classes for one in records] == [
        PETS.classes,
        NEWER_PETS.classes,
    ]
    assert [history.find(one.id).record.classes[0].class_name for one in records] == [
        "cat",
        "crane",
    ]


def test_a_tensor_has_no_digest(database: Database, history: KeptHistory) -> None:
    """Where no picture was sent, none is named."""
    record = make_record(picture_sha256=None)
    write_records(database, [record])
    assert history.find(record.id).record.picture_sha256 is None


def test_times_of_other_zones_are_the_same_times(database: Database, history: KeptHistory) -> None:
    """A time with another offset is kept as the moment that it is."""
    record = make_record()
    elsewhere = record.at.astimezone(timezone(timedelta(hours=-7)))
    write_records(database, [replace(record, at=elsewhere)])
    assert history.find(record.id).record.at == record.at


def test_the_same_batch_twice_is_kept_once(database: Database, history: KeptHistory) -> None:
    """After a commit whose answer was lost a batch may be written again."""
    records = [make_record(number) for number in range(20)]
    write_records(database, records[:10])
    assert write_records(database, records) == 20
    assert len(list(history.stream(HistoryQuery()))) == 20


def test_several_models_in_one_batch(database: Database, history: KeptHistory) -> None:
    """Each prediction keeps its own model."""
    models = (PETS, NEWER_PETS, DIGITS, PETS)
    records = [make_record(number, model=model) for number, model in enumerate(models)]
    write_records(database, records)
    assert [history.find(one.id).record.model for one in records] == list(models)


@pytest.mark.parametrize(
    "odd",
    [
        {"request_id": "r" * 1000},
        {"request_id": "a\0b\udc80"},
        {"request_id": "'; DROP TABLE predictions; --"},
        {"alias": "\N{PILE OF POO}" * 100},
        {"key_id": "k" * 17},
    ],
    ids=["long", "no unicode", "sql", "wide", "long key"],
)
def test_no_text_stops_a_batch(
    database: Database, history: KeptHistory, odd: dict[str, str]
) -> None:
    """A text that a column cannot hold is cut or replaced; what is written with it is kept."""
    records = [make_record(0), make_record(1, **odd), make_record(2)]
    assert write_records(database, records) == 3
    ((name, given),) = odd.items()
    kept = getattr(history.find(records[1].id).record, name)
    assert kept == given.replace("\0", "?").replace("\udc80", "?")[: len(kept)]


def test_a_row_that_is_refused_goes_alone(database: Database, history: KeptHistory) -> None:
    """One prediction that no database can hold does not take the others of its batch with it."""
    broken: list[PredictionRecord] = [make_record(number) for number in range(3)]
    nothing = ClassScore(0, "cat", None)  # type: ignore[arg-type] # as no engine answers
    broken[1] = replace(broken[1], classes=(nothing,))
    assert write_records(database, broken) == 2
    assert {one.record.id for one in history.stream(HistoryQuery())} == {
        broken[0].id,
        broken[2].id,
    }


def test_nothing_is_nothing(database: Database) -> None:
    """An empty batch asks no database."""
    database.close()
    assert write_records(database, []) == 0
