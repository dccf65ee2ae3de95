"""The history as it is kept in a database: listed by pages, exported, labelled, deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from heapq import merge
from itertools import islice
from uuid import UUID

import sqlalchemy as sql
from sqlalchemy import Connection, RowMapping

from topfive.errors import HistoryUnavailable, HistoryUnreachable, InvalidParameter, NotFound
from topfive.history.contract import (
    GivenLabel,
    HistoryOrder,
    HistoryPage,
    HistoryQuery,
    Position,
)
from topfive.history.database import Database
from topfive.history.records import KeptPrediction, RecordedModel
from topfive.history.rows import to_kept, to_model
from topfive.history.schema import MODELS, PREDICTIONS
from topfive.history.selecting import find_branches, select_page

# Each piece of a stream is a short question of its own: whoever reads slowly holds no connection
# and keeps no old rows alive in the database.
_STREAMED_AT_ONCE = 500
_RETRY_AFTER_S = 5
_LONGEST_NAME = 200


class KeptHistory:
    """Answers from a database; safe to call from many threads."""

    is_on = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, query: HistoryQuery) -> HistoryPage:
        """Give one page; what is written meanwhile moves nothing between pages."""
        with answering(), self._database.reading() as connection:
            rows = _find_rows(connection, query, query.limit + 1)
            kept = _with_models(connection, rows[: query.limit])
        is_more = len(rows) > query.limit
        return HistoryPage(tuple(kept), _position(kept[-1], query.order) if is_more else None)

    def stream(self, query: HistoryQuery) -> Iterator[KeptPrediction]:
        """Give all that are meant, by short questions; raises HistoryUnavailable in between."""
        page = self.list(replace(query, limit=_STREAMED_AT_ONCE))
        yield from page.predictions
        while page.next is not None:
            page = self.list(replace(query, limit=_STREAMED_AT_ONCE, after=page.next))
            yield from page.predictions

    def find(self, prediction_id: UUID) -> KeptPrediction:
        """Give one prediction; raises NotFound."""
        with answering(), self._database.reading() as connection:
            return _find_one(connection, prediction_id)

    def delete(self, prediction_id: UUID) -> None:
        """Delete a prediction and its label; raises NotFound."""
        is_it = PREDICTIONS.c.id == prediction_id
        with answering(), self._database.writing() as connection:
            if not connection.execute(sql.delete(PREDICTIONS).where(is_it)).rowcount:
                raise _not_found(prediction_id)

    def set_label(self, prediction_id: UUID, given: GivenLabel) -> KeptPrediction:
        """Say what a picture shows; the same again changes nothing, not even its time."""
        with answering(), self._database.writing() as connection:
            kept = _find_one(connection, prediction_id, is_locked=True)
            class_id = _class_id(kept.record.model, given)
            told = kept.label
            if told is None or (told.class_id, told.source) != (class_id, given.source):
                ranks = [one.class_id for one in kept.record.classes]
                rank = ranks.index(class_id) + 1 if class_id in ranks else 0
                _update_label(connection, prediction_id, (class_id, rank, given.source.value))
            return _find_one(connection, prediction_id)

    def remove_label(self, prediction_id: UUID) -> KeptPrediction:
        """Take a label back; raises NotFound for a prediction that is not there."""
        with answering(), self._database.writing() as connection:
            _update_label(connection, prediction_id, None)
            return _find_one(connection, prediction_id)


@contextmanager
def answering() -> Iterator[None]:
    """Tell a caller of a database that does not answer: within, that is HistoryUnavailable."""
    try:
        yield
    except HistoryUnreachable:
        told = "The history's database does not answer at the moment. Predictions go on."
        raise HistoryUnavailable(told, retry_after_s=_RETRY_AFTER_S) from None


def _find_rows(connection: Connection, query: HistoryQuery, limit: int) -> Sequence[RowMapping]:
    """Give the first `limit` rows behind the query's position, of all its cases together."""
    branches = find_branches(connection, query)
    selects = select_page(branches, query.order, limit, query.after)
    found = [connection.execute(one).mappings().all() for one in selects]
    if query.order is HistoryOrder.LEAST_CONFIDENT:
        ordered = merge(*found, key=lambda row: (row["confidence"], row["id"]))
    else:
        is_newest = query.order is HistoryOrder.NEWEST
        ordered = merge(*found, key=lambda row: row["id"], reverse=is_newest)
    return list(islice(ordered, limit))


def _with_models(connection: Connection, rows: Sequence[RowMapping]) -> Sequence[KeptPrediction]:
    ids = {row["model_id"] for row in rows}
    found = connection.execute(sql.select(MODELS).where(MODELS.c.id.in_(ids))).mappings()
    models = {row[MODELS.c.id]: to_model(row) for row in found}
    return [to_kept(row, models[row["model_id"]]) for row in rows]


def _find_one(
    connection: Connection, prediction_id: UUID, *, is_locked: bool = False
) -> KeptPrediction:
    """Find a prediction; locked, nobody else labels or deletes it before the transaction ends."""
    find = sql.select(PREDICTIONS).where(PREDICTIONS.c.id == prediction_id)
    rows = connection.execute(find.with_for_update() if is_locked else find).mappings().all()
    if not rows:
        raise _not_found(prediction_id)
    return _with_models(connection, rows)[0]


def _not_found(prediction_id: UUID) -> NotFound:
    return NotFound(f"There is no prediction {prediction_id} in the history.")


def _position(last: KeptPrediction, order: HistoryOrder) -> Position:
    is_by_confidence = order is HistoryOrder.LEAST_CONFIDENT
    confidence = last.record.classes[0].confidence if is_by_confidence else None
    return Position(last.record.id, confidence)


def _update_label(
    connection: Connection, prediction_id: UUID, label: tuple[int, int, str] | None
) -> None:
    class_id, rank, source = label or (None, None, None)
    values = {
        "label_class_id": class_id,
        "label_rank": rank,
        "label_source": source,
        "labelled_at": datetime.now(UTC) if label else None,
    }
    is_it = PREDICTIONS.c.id == prediction_id
    connection.execute(sql.update(PREDICTIONS).where(is_it).values(values))


def _class_id(model: RecordedModel, given: GivenLabel) -> int:
    if given.class_id is not None:
        if not 0 <= given.class_id < len(model.classes):
            raise InvalidParameter(
                f"class_id: {model.name} {model.version} has the classes 0 to "
                f"{len(model.classes) - 1}, and not {given.class_id}."
            )
        return given.class_id
    return _named_class_id(model, given.class_name or "")


def _named_class_id(model: RecordedModel, name: str) -> int:
    ids = [number for number, one in enumerate(model.classes) if one == name]
    if len(ids) > 1:
        told = " and ".join(map(str, ids))
        raise InvalidParameter(f"class_name: classes {told} are called so. Give the class_id.")
    if not ids:
        near = get_close_matches(name[:_LONGEST_NAME], model.classes)
        hint = f" Near are: {', '.join(near)}." if near else ""
        raise InvalidParameter(f"class_name: {model.name} {model.version} has no such class.{hint}")
    return ids[0]
