"""What live accuracy and drift are measured on, read from both databases."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.history.records import BEGIN, DIGITS, NEWER_PETS, PETS, make_record
from topfive.errors import HistoryUnavailable
from topfive.history.contract import GivenLabel
from topfive.history.database import Database, open_database
from topfive.history.kept import KeptHistory
from topfive.history.observations import KeptReference, ObservedModel, Span
from topfive.history.observing import KeptObservations
from topfive.history.records import LabelSource, PredictionRecord, RecordedModel
from topfive.history.writing import write_records
from topfive.service.live.accuracy import AccuracyQuery
from topfive.service.live.measures import MeasuredHistory

BEGIN_MS = round(BEGIN.timestamp() * 1000)


@pytest.fixture
def observations(database: Database) -> KeptObservations:
    """What is measured on in the database."""
    return KeptObservations(database)


def keep(database: Database, count: int, model: RecordedModel = PETS) -> list[PredictionRecord]:
    """Keep predictions of a model, one a second: each of the next class and surer."""
    records = [
        make_record(number, best=number % 8, confidence=0.1 + number / 1000, model=model)
        for number in range(count)
    ]
    write_records(database, records)
    return records


def label(history: KeptHistory, record: PredictionRecord, rank: int) -> None:
    """Say that the class at a place of a prediction is the true one; 0: one that is not there."""
    missing = {one.class_id for one in record.classes} ^ set(range(len(record.model.classes)))
    class_id = record.classes[rank - 1].class_id if rank else min(missing)
    history.set_label(record.id, GivenLabel(LabelSource.PERSON, class_id=class_id))


def only_version(observations: KeptObservations) -> ObservedModel:
    """Give the one version that predictions are kept of."""
    (found,) = observations.models()
    return found


def test_versions_are_listed_by_their_last_use(
    database: Database, observations: KeptObservations
) -> None:
    """All of them or those of a name, with their classes; what has no prediction is left out."""
    assert observations.models() == ()
    keep(database, 5)
    write_records(database, [make_record(9, model=NEWER_PETS), make_record(8, model=DIGITS)])
    assert [one.model for one in observations.models()] == [NEWER_PETS, DIGITS, PETS]
    assert [one.model for one in observations.models("pets")] == [NEWER_PETS, PETS]
    assert observations.models("pets")[1].model.classes == PETS.classes
    assert observations.models("' OR 1 = 1 --") == ()
    KeptHistory(database).delete(make_record(8, model=DIGITS).id)
    assert observations.models("digits") == ()


def test_the_newest_come_first_labelled_or_not(
    database: Database, history: KeptHistory, observations: KeptObservations
) -> None:
    """Two indexes are read as one, and the other version's are not among them."""
    records = keep(database, 40)
    write_records(database, [make_record(100, model=DIGITS)])
    for record in records[::3]:
        label(history, record, 1)
    key = observations.models("pets")[0].key
    found = observations.newest(key, 25)
    newest = records[::-1][:25]
    assert found.at_ms.tolist() == [BEGIN_MS + 1000 * number for number in range(39, 14, -1)]
    assert found.class_ids.tolist() == [one.classes[0].class_id for one in newest]
    assert found.confidences.tolist() == [one.classes[0].confidence for one in newest]


def test_the_oldest_come_first_too(
    database: Database, history: KeptHistory, observations: KeptObservations
) -> None:
    """As many as are asked for, or as there are."""
    records = keep(database, 10)
    label(history, records[1], 1)
    key = only_version(observations).key
    assert observations.oldest(key, 3).class_ids.tolist() == [0, 1, 2]
    assert len(observations.oldest(key, 1000)) == 10


def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(
    database: Database, observations: KeptObservations
) -> None:
    """To the millisecond."""
    keep(database, 10)
    key = only_version(observations).key
    found = observations.newest(key, 100, Span(BEGIN_MS + 3000, BEGIN_MS + 6000))
    assert found.at_ms.tolist() == [BEGIN_MS + 5000, BEGIN_MS + 4000, BEGIN_MS + 3000]
    later = observations.newest(key, 100, Span(since_ms=BEGIN_MS + 3001))
    assert later.at_ms.min() == BEGIN_MS + 4000


def test_every_millisecond_has_its_own_span(
    database: Database, observations: KeptObservations
) -> None:
    """Whatever a fraction of a second rounds to."""
    moments = [BEGIN + timedelta(milliseconds=one) for one in range(200)]
    write_records(
        database,
        [
            replace(make_record(place), at=at, id=replaced_id(place, at))
            for place, at in enumerate(moments)
        ],
    )
    key = only_version(observations).key
    for place in range(200):
        at_ms = BEGIN_MS + place
        assert observations.newest(key, 9, Span(at_ms, at_ms + 1)).at_ms.tolist() == [at_ms]


def replaced_id(place, at):
    """Make the id of a time."""
    return type(make_record().id)(int=(round(at.timestamp() * 1000) << 80) | 7 << 76 | 2 << 62)


def test_labels_are_told_with_ranks_and_confidences(
    database: Database, history: KeptHistory, observations: KeptObservations
) -> None:
    """The newest of them; a class that is not among the kept ones has the rank 0."""
    records = keep(database, 10)
    for record, rank in zip(records[:4], (1, 3, 0, 5), strict=True):
        label(history, record, rank)
    key = only_version(observations).key
    found = observations.labelled(key, 3)
    assert found.ranks.tolist() == [5, 0, 3]
    assert found.confidences.tolist() == [one.classes[0].confidence for one in records[3:0:-1]]
    assert observations.labelled(key, 100, Span(until_ms=BEGIN_MS + 1000)).ranks.tolist() == [1]
    history.remove_label(records[3].id)
    assert observations.labelled(key, 100).ranks.tolist() == [0, 3, 1]


def test_nothing_kept_makes_empty_arrays(
    database: Database, observations: KeptObservations
) -> None:
    """Of the types that full ones have."""
    found = observations.newest(1, 10), observations.oldest(1, 10), observations.labelled(1, 10)
    assert [len(one) for one in found] == [0, 0, 0]
    assert {one.at_ms.dtype for one in found} == {np.dtype(np.int64)}


def test_a_measured_history_tells_what_labels_say(
    database: Database, history: KeptHistory, observations: KeptObservations
) -> None:
    """From the rows of a database to the numbers."""
    records = keep(database, 60)
    for place, record in enumerate(records[:40]):
        label(history, record, 1 if place < 30 else 2)
    measured = MeasuredHistory(observations, lambda _: ())
    (told,) = measured.accuracy("pets", "1.0", AccuracyQuery())
    assert (told.found.labels, told.found.is_enough) == (40, True)
    assert told.found.measured.top1.value == 0.75
    assert told.found.measured.top5.value == 1.0
    assert measured.drift("pets", None)[0].found.now.reference.count == 60


def test_a_reference_is_kept_once_and_read_with_its_version(
    database: Database, observations: KeptObservations
) -> None:
    """Whoever comes second changes nothing."""
    keep(database, 1)
    first, second = (
        KeptReference({0: 600, 7: count}, (0, 3, count), 0.75, BEGIN_MS) for count in (400, 100)
    )
    version = only_version(observations)
    assert version.reference is None
    for reference in (first, second):
        observations.keep_reference(version.key, reference)
    assert only_version(observations).reference == first


def test_a_database_that_is_away_is_unavailable(tmp_path) -> None:
    """Every question says so, in words without an address."""
    missing = KeptObservations(open_database(f"sqlite:///{tmp_path}/no/such/folder/history.db"))
    for ask in (
        missing.models,
        lambda: missing.newest(1, 1),
        lambda: missing.oldest(1, 1),
        lambda: missing.labelled(1, 1),
    ):
        with pytest.raises(HistoryUnavailable) as caught:
            ask()
        assert "folder" not in caught.value.detail
