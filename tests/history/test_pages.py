"""Pages: every prediction that is meant, once and in order, whatever is asked."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.history.records import (
    BEGIN,
    DIGITS,
    NEWER_PETS,
    PETS,
    in_order,
    make_record,
    read_all,
)
from topfive.history.contract import (
    GivenLabel,
    HistoryFilter,
    HistoryOrder,
    HistoryQuery,
    Position,
)
from topfive.history.database import Database
from topfive.history.kept import KeptHistory
from topfive.history.records import KeptPrediction, LabelSource, PredictionRecord
from topfive.history.writing import write_records

MODELS = (PETS, NEWER_PETS, DIGITS)
COUNT = 60
# Of several predictions with the same confidence too, so that the id decides.
RECORDS = [
    make_record(
        number,
        best=number % 7,
        confidence=(number * 37 % 20) / 20,
        model=MODELS[number % 3],
        request_id=f"request-{number // 4}",
        position=number % 4,
    )
    for number in range(COUNT)
]
LABELLED = RECORDS[::5]


@pytest.fixture
def filled(database: Database, history: KeptHistory) -> KeptHistory:
    """A history of predictions of three versions, a fifth of which are labelled."""
    write_records(database, RECORDS)
    for one in LABELLED:
        history.set_label(one.id, GivenLabel(LabelSource.PERSON, class_id=1))
    return history


def best_name(record: PredictionRecord) -> str:
    """Name the most likely class."""
    return record.classes[0].class_name


FILTERS: dict[str, tuple[HistoryFilter, Callable[[PredictionRecord], bool]]] = {
    "none": (HistoryFilter(), lambda _: True),
    "since": (
        HistoryFilter(since=RECORDS[20].at),
        lambda one: one.at >= RECORDS[20].at,
    ),
    "until": (HistoryFilter(until=RECORDS[20].at), lambda one: one.at < RECORDS[20].at),
    "model": (HistoryFilter(model="pets"), lambda one: one.model.name == "pets"),
    "version": (
        HistoryFilter(model="pets", version="2.0"),
        lambda one: one.model.version == "2.0",
    ),
    "class id": (HistoryFilter(class_id=2), lambda one: one.classes[0].class_id == 2),
    "class name": (HistoryFilter(class_name="crane"), lambda one: best_name(one) == "crane"),
    "class and model": (
        HistoryFilter(model="pets", class_name="dog"),
        lambda one: best_name(one) == "dog" and one.model.name == "pets",
    ),
    "confidence": (
        HistoryFilter(least_confidence=0.25, most_confidence=0.5),
        lambda one: 0.25 <= one.classes[0].confidence <= 0.5,
    ),
    "labelled": (HistoryFilter(is_labelled=True), lambda one: one in LABELLED),
    "unlabelled": (HistoryFilter(is_labelled=False), lambda one: one not in LABELLED),
    "unlabelled class": (
        HistoryFilter(is_labelled=False, class_name="cat"),
        lambda one: one not in LABELLED and best_name(one) == "cat",
    ),
    "request": (
        HistoryFilter(request_id="request-3"),
        lambda one: one.request_id == "request-3",
    ),
    "request and model": (
        HistoryFilter(request_id="request-3", model="pets"),
        lambda one: one.request_id == "request-3" and one.model.name == "pets",
    ),
    "picture": (
        HistoryFilter(picture_sha256=RECORDS[8].picture_sha256),
        lambda one: one is RECORDS[8],
    ),
}


@pytest.mark.parametrize("order", HistoryOrder)
def test_pages_have_each_prediction_once(filled: KeptHistory, order: HistoryOrder) -> None:
    """For every filter all that is meant comes, in order, whatever the page's size."""
    for name, (only, is_meant) in FILTERS.items():
        expected = in_order([one for one in RECORDS if is_meant(one)], order)
        for limit in (1, 7, 200):
            found = read_all(filled, HistoryQuery(only, order, limit))
            assert found == expected, (name, limit)


@pytest.mark.parametrize("order", HistoryOrder)
def test_a_stream_has_each_prediction_once(
    filled: KeptHistory, order: HistoryOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream gives all that is meant, whatever the question's limit."""
    monkeypatch.setattr("topfive.history.kept._STREAMED_AT_ONCE", 7)
    streamed = [one.record.id for one in filled.stream(HistoryQuery(order=order, limit=1))]
    assert streamed == in_order(RECORDS, order)


def test_what_comes_meanwhile_moves_no_page(database: Database, filled: KeptHistory) -> None:
    """A page begins where the last one ended, though new predictions came and old ones went."""
    first = filled.list(HistoryQuery(limit=10))
    write_records(database, [make_record(number) for number in range(COUNT, COUNT + 30)])
    filled.delete(first.predictions[-1].record.id)
    second = filled.list(HistoryQuery(limit=10, after=first.next))
    newest_first = in_order(RECORDS, HistoryOrder.NEWEST)
    assert [one.record.id for one in second.predictions] == newest_first[10:20]


def test_a_full_last_page_is_the_last(filled: KeptHistory) -> None:
    """Where nothing comes behind a page, it says so, also where it is full."""
    assert filled.list(HistoryQuery(limit=COUNT)).next is None
    assert filled.list(HistoryQuery(limit=COUNT - 1)).next is not None


def test_times_within_a_millisecond_are_told_apart(
    database: Database, history: KeptHistory
) -> None:
    """`since` is included and `until` is not, to the microsecond."""
    first = RECORDS[0].id.int
    early, late = (
        make_record(0, at=BEGIN + timedelta(microseconds=number), id=UUID(int=first + number))
        for number in (0, 1)
    )
    write_records(database, [early, late])
    since = history.list(HistoryQuery(HistoryFilter(since=late.at)))
    until = history.list(HistoryQuery(HistoryFilter(until=late.at)))
    assert since.predictions == (KeptPrediction(late),)
    assert until.predictions == (KeptPrediction(early),)


@pytest.mark.parametrize(
    "only",
    [
        HistoryFilter(model="nobody"),
        HistoryFilter(model="pets", version="9"),
        HistoryFilter(class_name="nothing"),
        HistoryFilter(class_id=10**30),
        HistoryFilter(class_id=-1),
        HistoryFilter(request_id="a\0b"),
        HistoryFilter(model="\udc80"),
        HistoryFilter(class_name="'; DROP TABLE predictions; --"),
        HistoryFilter(request_id="' OR 1=1 --"),
        HistoryFilter(least_confidence=0.9, most_confidence=0.1),
        HistoryFilter(since=datetime.max.replace(tzinfo=UTC)),
        HistoryFilter(until=datetime.min.replace(tzinfo=UTC)),
        HistoryFilter(picture_sha256=b""),
    ],
)
def test_a_filter_that_nothing_fits_finds_nothing(filled: KeptHistory, only: HistoryFilter) -> None:
    """No filter, however odd, is an error or finds something else; SQL is a text like others."""
    for order in HistoryOrder:
        assert filled.list(HistoryQuery(only, order)).predictions == ()
    assert len(read_all(filled, HistoryQuery(limit=200))) == COUNT


def test_an_empty_history_is_an_empty_page(history: KeptHistory) -> None:
    """Before the first prediction there is a page without any, and none behind it."""
    for order in HistoryOrder:
        page = history.list(HistoryQuery(order=order))
        assert (page.predictions, page.next) == ((), None)


def test_a_position_that_is_gone_is_still_a_position(filled: KeptHistory) -> None:
    """A page can begin behind a prediction that was deleted meanwhile."""
    gone = RECORDS[30]
    filled.delete(gone.id)
    page = filled.list(HistoryQuery(order=HistoryOrder.OLDEST, limit=1, after=Position(gone.id)))
    assert page.predictions[0].record.id == RECORDS[31].id
    assert replace(page.predictions[0], label=None) == KeptPrediction(RECORDS[31])
