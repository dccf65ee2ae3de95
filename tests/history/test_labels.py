"""Labels: what a picture really shows, told by a person or a system; and deletion."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.history.records import PETS, make_record
from topfive.errors import InvalidParameter, NotFound
from topfive.history.contract import GivenLabel, HistoryQuery
from topfive.history.database import Database
from topfive.history.kept import KeptHistory
from topfive.history.records import KeptPrediction, LabelSource
from topfive.history.writing import write_records

# Its kept classes are cat, dog, cow, hen and fox.
RECORD = make_record(best=0)
PERSON, SYSTEM = LabelSource.PERSON, LabelSource.SYSTEM


@pytest.fixture
def one(database: Database, history: KeptHistory) -> KeptHistory:
    """A history of one prediction."""
    write_records(database, [RECORD])
    return history


@pytest.mark.parametrize(
    ("given", "class_id", "rank"),
    [
        (GivenLabel(PERSON, class_id=0), 0, 1),
        (GivenLabel(PERSON, class_name="fox"), 4, 5),
        (GivenLabel(SYSTEM, class_name="ape"), 5, None),
        (GivenLabel(SYSTEM, class_id=7), 7, None),
    ],
)
def test_a_label_is_kept_with_its_rank(
    one: KeptHistory, given: GivenLabel, class_id: int, rank: int | None
) -> None:
    """A label says the class by id and name, its place among the answered ones, who and when."""
    before = datetime.now(UTC)
    label = one.set_label(RECORD.id, given).label
    assert label is not None
    assert (label.class_id, label.class_name) == (class_id, PETS.classes[class_id])
    assert (label.rank, label.source) == (rank, given.source)
    assert before <= label.at <= datetime.now(UTC)
    assert one.find(RECORD.id) == KeptPrediction(RECORD, label)


def test_the_same_label_again_changes_nothing(one: KeptHistory) -> None:
    """A label that is sent again, by id or by name, keeps its time."""
    first = one.set_label(RECORD.id, GivenLabel(PERSON, class_id=1))
    assert one.set_label(RECORD.id, GivenLabel(PERSON, class_name="dog")) == first


def test_another_label_takes_the_place_of_the_first(one: KeptHistory) -> None:
    """The last word counts, and who said it."""
    one.set_label(RECORD.id, GivenLabel(PERSON, class_id=1))
    label = one.set_label(RECORD.id, GivenLabel(SYSTEM, class_id=2)).label
    assert label is not None
    assert (label.class_id, label.source, label.rank) == (2, SYSTEM, 3)


def test_a_label_is_taken_back(one: KeptHistory) -> None:
    """Without its label a prediction is as it was; taking it back again is no mistake."""
    one.set_label(RECORD.id, GivenLabel(PERSON, class_id=1))
    assert one.remove_label(RECORD.id) == KeptPrediction(RECORD)
    assert one.remove_label(RECORD.id) == KeptPrediction(RECORD)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (GivenLabel(PERSON, class_id=8), "0 to 7"),
        (GivenLabel(PERSON, class_id=-1), "0 to 7"),
        (GivenLabel(PERSON, class_id=10**40), "0 to 7"),
        (GivenLabel(PERSON, class_name="cta"), "cat"),
        (GivenLabel(PERSON, class_name="CAT"), "no such class"),
        (GivenLabel(PERSON, class_name="'; DROP TABLE models; --"), "no such class"),
        (GivenLabel(PERSON, class_name="x\0\udc80" * 10**5), "no such class"),
        (GivenLabel(PERSON, class_name="crane"), "6 and 7"),
    ],
)
def test_a_class_that_the_version_lacks_is_refused(
    one: KeptHistory, given: GivenLabel, words: str
) -> None:
    """It says which classes there are, or which are near, and changes nothing."""
    with pytest.raises(InvalidParameter, match=words):
        one.set_label(RECORD.id, given)
    assert one.find(RECORD.id) == KeptPrediction(RECORD)


def test_what_is_not_there_is_not_found(one: KeptHistory) -> None:
    """An id that nothing has is told back."""
    other = uuid4()
    label = GivenLabel(PERSON, class_id=1)
    for ask in (one.find, one.delete, one.remove_label, lambda it: one.set_label(it, label)):
        with pytest.raises(NotFound, match=str(other)):
            ask(other)


def test_a_deleted_prediction_is_gone(one: KeptHistory) -> None:
    """With its label, from every answer, and for good."""
    one.set_label(RECORD.id, GivenLabel(PERSON, class_id=1))
    one.delete(RECORD.id)
    assert list(one.stream(HistoryQuery())) == []
    with pytest.raises(NotFound):
        one.delete(RECORD.id)
