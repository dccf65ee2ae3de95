"""What was predicted, as arrays: read by version and in the order of time, as indexes have it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sql
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection

from topfive.history.database import Database
from topfive.history.ids import first_id_at
from topfive.history.kept import answering
from topfive.history.observations import (
    ALWAYS,
    KeptReference,
    Labelled,
    ObservedModel,
    Predicted,
    Span,
)
from topfive.history.rows import to_model
from topfive.history.schema import MODELS, PREDICTIONS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROW = PREDICTIONS.c
_UNLABELLED = _ROW.label_class_id.is_(None)
_LABELLED = _ROW.label_class_id.is_not(None)
# Each has an index of a version's predictions in the order of time; they have none together.
_CASES = (_UNLABELLED, _LABELLED)

_Rows = Sequence[Sequence[Any]]


class KeptObservations:
    """Reads from a database; safe to call from many threads."""

    is_on = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self, name: str | None = None) -> tuple[ObservedModel, ...]:
        """List the versions that predictions are kept of, the one that was used last first."""
        find = sql.select(MODELS)
        if name is not None:
            find = find.where(MODELS.c.name == name)
        with answering(), self._database.reading() as connection:
            rows = connection.execute(find).mappings().all()
            newest = {row["id"]: _newest_id(connection, row["id"]) for row in rows}
        used = [row for row in rows if newest[row["id"]] is not None]
        used.sort(key=lambda row: str(newest[row["id"]]), reverse=True)
        return tuple(
            ObservedModel(row["id"], to_model(row), _read_reference(row["reference"]))
            for row in used
        )

    def labelled(self, key: int, most: int, span: Span = ALWAYS) -> Labelled:
        """Give at most so many labelled predictions of a version, the newest, newest first."""
        columns = (_ROW.id, _ROW.confidence, _ROW.label_rank)
        find = sql.select(*columns).where(_ROW.model_id == key, _LABELLED, *_within(span))
        with answering(), self._database.reading() as connection:
            rows = connection.execute(find.order_by(_ROW.id.desc()).limit(most)).all()
        ids, confidences, ranks = _columns(rows)
        return Labelled(_times_ms(ids), np.array(confidences, float), np.array(ranks, np.int64))

    def newest(self, key: int, most: int, span: Span = ALWAYS) -> Predicted:
        """Give at most so many predictions of a version, the newest, newest first."""
        return self._predicted(key, most, span, is_newest=True)

    def oldest(self, key: int, most: int) -> Predicted:
        """Give at most so many predictions of a version, the oldest, oldest first."""
        return self._predicted(key, most, ALWAYS, is_newest=False)

    def keep_reference(self, key: int, reference: KeptReference) -> None:
        """Keep a version's reference for ever, unless it has one."""
        is_without = sql.and_(MODELS.c.id == key, MODELS.c.reference.is_(sql.null()))
        keep = sql.update(MODELS).where(is_without).values(reference=asdict(reference))
        with answering(), self._database.writing() as connection:
            connection.execute(keep)

    def _predicted(self, key: int, most: int, span: Span, *, is_newest: bool) -> Predicted:
        order = _ROW.id.desc() if is_newest else _ROW.id.asc()
        find = sql.select(_ROW.id, _ROW.class_id, _ROW.confidence)
        find = find.where(_ROW.model_id == key, *_within(span)).order_by(order).limit(most)
        with answering(), self._database.reading() as connection:
            found = [row for case in _CASES for row in connection.execute(find.where(case))]
        found.sort(key=lambda row: row[0].int, reverse=is_newest)
        ids, class_ids, confidences = _columns(found[:most])
        return Predicted(
            _times_ms(ids), np.array(class_ids, np.int64), np.array(confidences, float)
        )


def _read_reference(kept: dict[str, Any] | None) -> KeptReference | None:
    if kept is None:
        return None
    # JSON has texts for keys.
    counts = {int(class_id): count for class_id, count in kept["class_counts"].items()}
    bins = tuple(kept["confidence_counts"])
    return KeptReference(counts, bins, kept["mean_confidence"], kept["last_ms"])


def _newest_id(connection: Connection, key: int) -> UUID | None:
    find = sql.select(_ROW.id).where(_ROW.model_id == key).order_by(_ROW.id.desc()).limit(1)
    found = [connection.scalar(find.where(case)) for case in _CASES]
    return max((one for one in found if one is not None), default=None, key=lambda one: one.int)


def _within(span: Span) -> list[ColumnElement[bool]]:
    conditions = []
    if span.since_ms is not None:
        conditions.append(_ROW.id >= first_id_at(_moment(span.since_ms)))
    if span.until_ms is not None:
        conditions.append(_ROW.id < first_id_at(_moment(span.until_ms)))
    return conditions


def _moment(at_ms: int) -> datetime:
    # Whole numbers: a fraction of a second would be rounded into the millisecond before.
    return _EPOCH + timedelta(milliseconds=at_ms)


def _columns(rows: _Rows) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    first, second, third = zip(*rows, strict=True) if rows else ((), (), ())
    return first, second, third


def _times_ms(ids: Sequence[UUID]) -> NDArray[np.int64]:
    """Read the times that ids begin with; source: RFC 9562, section 5.7."""
    return np.array([one.int >> 80 for one in ids], np.int64)
