"""A history in memory, of predictions that a test makes up."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from topfive.errors import Failure, InvalidParameter, NotFound
from topfive.history.contract import (
    GivenLabel,
    HistoryFilter,
    HistoryOrder,
    HistoryPage,
    HistoryQuery,
    Position,
)
from topfive.history.records import (
    KEPT_CLASSES,
    KeptPrediction,
    Label,
    PredictionRecord,
    RecordedModel,
)
from topfive.predictions import CacheStatus, ClassScore, Timings

CLASSES = ("tabby", "tiger cat", "zebra", "skunk", "ostrich", "echidna", "gazelle")
MODEL = RecordedModel("animals", "1", "a" * 64, CLASSES)
BEGAN_AT = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


def make_id(number: int, at: datetime) -> UUID:
    """Make a UUID of version 7 whose random part is `number`, and whose time is `at`."""
    moment_ms = round(at.timestamp() * 1000)
    return UUID(int=(moment_ms << 80) | (7 << 76) | (2 << 62) | number)


def make_prediction(
    number: int,
    confidence: float = 0.8,
    best: int = 0,
    model: RecordedModel = MODEL,
    **changes: Any,
) -> KeptPrediction:
    """Make the prediction of that number: a second after the one before, of a picture of its own.

    `best` is its most likely class; the others follow by their ids. `changes` are those of
    its record; `at` changes its id too.
    """
    at = changes.pop("at", BEGAN_AT + timedelta(seconds=number))
    count = len(model.classes)
    ids = [(best + place) % count for place in range(min(KEPT_CLASSES, count))]
    rest = (1 - confidence) / len(ids)
    record = PredictionRecord(
        id=make_id(number, at),
        at=at,
        request_id=f"request-{number}",
        position=0,
        picture_sha256=sha256(str(number).encode()).digest(),
        model=model,
        route="/predict",
        alias="default",
        classes=tuple(
            ClassScore(one, model.classes[one], rest / place if place else confidence)
            for place, one in enumerate(ids)
        ),
        timings=Timings(0.11, 2.5, 0.61, 4.2, 7.45),
        cache=CacheStatus.NONE,
        is_degraded=False,
        key_id="",
    )
    return KeptPrediction(replace(record, **changes))


class FakeHistory:
    """Answers from `kept`; fails with `failure` where told to, after `while_asking`."""

    is_on = True

    def __init__(self, *kept: KeptPrediction) -> None:
        self.kept = {one.record.id: one for one in kept}
        self.failure: Failure | None = None
        self.while_asking: Callable[[], object] = lambda: None
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def list(self, query: HistoryQuery) -> HistoryPage:
        """Give the first `limit` of those that follow."""
        found = self._find_all(query)
        page, is_last = found[: query.limit], len(found) <= query.limit
        return HistoryPage(page, None if is_last else _position(page[-1], query.order))

    def stream(self, query: HistoryQuery) -> Iterator[KeptPrediction]:
        """Give all, one by one; the question is asked with the first."""
        yield from self._find_all(query)

    def find(self, prediction_id: UUID) -> KeptPrediction:
        """Look one up."""
        self._ask()
        found = self.kept.get(prediction_id)
        if found is None:
            raise NotFound("There is no prediction of this id in the history.")
        return found

    def delete(self, prediction_id: UUID) -> None:
        """Delete one."""
        self.find(prediction_id)
        del self.kept[prediction_id]

    def set_label(self, prediction_id: UUID, given: GivenLabel) -> KeptPrediction:
        """Label one, by the names of its version's classes."""
        found = self.find(prediction_id)
        class_id = _class_of(found.record.model, given)
        told = (found.label.class_id, found.label.source) if found.label else None
        if told != (class_id, given.source):
            self.kept[prediction_id] = replace(
                found, label=self._label(found.record, class_id, given)
            )
        return self.kept[prediction_id]

    def remove_label(self, prediction_id: UUID) -> KeptPrediction:
        """Take the label of one back."""
        self.kept[prediction_id] = replace(self.find(prediction_id), label=None)
        return self.kept[prediction_id]

    def _label(self, record: PredictionRecord, class_id: int, given: GivenLabel) -> Label:
        ids = [one.class_id for one in record.classes]
        rank = ids.index(class_id) + 1 if class_id in ids else None
        name = record.model.classes[class_id]
        return Label(class_id, name, given.source, self.now(), rank)

    def _ask(self) -> None:
        self.while_asking()
        if self.failure is not None:
            raise self.failure

    def _find_all(self, query: HistoryQuery) -> tuple[KeptPrediction, ...]:
        self._ask()
        fitting = [one for one in self.kept.values() if _fits(one, query.only)]
        ordered = tuple(
            sorted(
                fitting,
                key=lambda one: _place(_position(one, query.order)),
                reverse=query.order is HistoryOrder.NEWEST,
            )
        )
        if query.after is None:
            return ordered
        after = _place(query.after)
        is_newest = query.order is HistoryOrder.NEWEST
        places = [(one, _place(_position(one, query.order))) for one in ordered]
        return tuple(one for one, at in places if at != after and (at < after) == is_newest)


def _position(one: KeptPrediction, order: HistoryOrder) -> Position:
    is_by_confidence = order is HistoryOrder.LEAST_CONFIDENT
    return Position(one.record.id, one.record.classes[0].confidence if is_by_confidence else None)


def _place(position: Position) -> tuple[float, UUID]:
    return (position.confidence or 0.0, position.id)


def _class_of(model: RecordedModel, given: GivenLabel) -> int:
    if given.class_id is not None and given.class_id < len(model.classes):
        return given.class_id
    if given.class_name in model.classes:
        return model.classes.index(given.class_name)
    raise InvalidParameter(f"{model.name} {model.version} has no such class.")


def _fits(one: KeptPrediction, only: HistoryFilter) -> bool:
    record, best = one.record, one.record.classes[0]
    return all(
        (
            only.since is None or record.at >= only.since,
            only.until is None or record.at < only.until,
            only.model in (None, record.model.name),
            only.version in (None, record.model.version),
            only.class_id in (None, best.class_id),
            only.class_name in (None, best.class_name),
            only.least_confidence is None or best.confidence >= only.least_confidence,
            only.most_confidence is None or best.confidence <= only.most_confidence,
            only.is_labelled in (None, one.label is not None),
            only.request_id in (None, record.request_id),
            only.picture_sha256 in (None, record.picture_sha256),
        )
    )
