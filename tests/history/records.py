"""Predictions to keep, each a second after the one before."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from topfive.history.contract import HistoryOrder, HistoryQuery
from topfive.history.ids import first_id_at
from topfive.history.kept import KeptHistory
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.predictions import CacheStatus, ClassScore, Timings

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANIMALS = ("cat", "dog", "cow", "hen", "fox", "ape", "crane", "crane")
PETS = RecordedModel("pets", "1.0", "a" * 64, ANIMALS)
# A later version, in which the classes have other numbers.
NEWER_PETS = RecordedModel("pets", "2.0", "b" * 64, tuple(reversed(ANIMALS)))
DIGITS = RecordedModel("digits", "1", "c" * 64, tuple("0123456789"))


def make_record(
    number: int = 0, best: int = 0, confidence: float = 0.5, **changes: object
) -> PredictionRecord:
    """Make the prediction of second `number`, of which `best` is the most likely class."""
    at = BEGIN + timedelta(seconds=number)
    model = changes.get("model", PETS)
    assert isinstance(model, RecordedModel)
    ids = [(best + place) % len(model.classes) for place in range(5)]
    scores = [confidence, *((1 - confidence) / 2**place for place in range(2, 6))]
    record = PredictionRecord(
        id=UUID(int=first_id_at(at).int + number),
        at=at,
        request_id=f"request-{number}",
        position=0,
        picture_sha256=sha256(b"%d" % number).digest(),
        model=PETS,
        route="/predict",
        alias="",
        classes=tuple(
            ClassScore(one, model.classes[one], score)
            for one, score in zip(ids, scores, strict=True)
        ),
        timings=Timings(0.25, 1.5, 0.5, 4.0, 6.5),
        cache=CacheStatus.NONE,
        is_degraded=False,
        key_id="",
    )
    return replace(record, **changes)  # type: ignore[arg-type] # whatever a test wants


def read_all(history: KeptHistory, query: HistoryQuery) -> list[UUID]:
    """Follow the pages of a question to the last; returns the ids in their order."""
    found = []
    after = None
    while True:
        page = history.list(replace(query, after=after))
        assert len(page.predictions) <= query.limit
        found += [one.record.id for one in page.predictions]
        after = page.next
        if after is None:
            return found


def in_order(records: Sequence[PredictionRecord], order: HistoryOrder) -> list[UUID]:
    """Give the ids of records as a history should list them."""
    ordered = {
        HistoryOrder.NEWEST: lambda: sorted((one.id for one in records), reverse=True),
        HistoryOrder.OLDEST: lambda: sorted(one.id for one in records),
        HistoryOrder.LEAST_CONFIDENT: lambda: [
            one.id for one in sorted(records, key=lambda one: (one.classes[0].confidence, one.id))
        ],
    }
    return ordered[order]()
