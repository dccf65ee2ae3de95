"""Turns a question for predictions into statements that an index answers, whatever its filter.

A question may become several statements, one for each version of a model or class that is meant:
each is answered in the wanted order by one index, and the best of all are the answer. Asked as
one, a database would sort all that are meant before it gives the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy import ColumnElement, Connection, Select

from topfive.history.contract import HistoryFilter, HistoryOrder, HistoryQuery, Position
from topfive.history.ids import first_id_after, first_id_at
from topfive.history.rows import is_storable
from topfive.history.schema import MODELS, PREDICTIONS

Condition = ColumnElement[bool]

_LABELLED = PREDICTIONS.c.label_class_id.is_not(None)
_UNLABELLED = PREDICTIONS.c.label_class_id.is_(None)
_MOST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Branches:
    """What must hold for every prediction, and cases of which each has an index."""

    always: Condition
    cases: tuple[Condition, ...]


def find_branches(connection: Connection, query: HistoryQuery) -> Branches:
    """Resolve the names in a filter, and divide it into cases."""
    only = query.only
    always = sql.and_(sql.true(), *_conditions(query))
    if not all(is_storable(text) for text in _texts(only)):
        return Branches(always, ())
    is_rare = only.request_id is not None or only.picture_sha256 is not None
    if only.class_id is not None or only.class_name is not None:
        return Branches(always, _class_cases(connection, only))
    is_by_confidence = query.order is HistoryOrder.LEAST_CONFIDENT
    is_of_model = only.model is not None or only.version is not None
    if is_rare:
        is_model = [PREDICTIONS.c.model_id.in_(_model_ids(connection, only))] if is_of_model else []
        return Branches(always, (sql.and_(sql.true(), *is_model, *_labelled(only)),))
    if is_by_confidence or is_of_model or only.is_labelled:
        return Branches(always, _model_cases(connection, only))
    return Branches(always, (sql.and_(sql.true(), *_labelled(only)),))


def select_page(
    branches: Branches, order: HistoryOrder, limit: int, after: Position | None
) -> list[Select[tuple[object, ...]]]:
    """Give one statement a case, each for the first `limit` behind `after`."""
    columns = [PREDICTIONS.c.id]
    if order is HistoryOrder.LEAST_CONFIDENT:
        columns.insert(0, PREDICTIONS.c.confidence)
    ordered = [one.desc() if order is HistoryOrder.NEWEST else one.asc() for one in columns]
    always = [branches.always, *_behind(columns, order, after)]
    return [
        sql.select(PREDICTIONS).where(case, *always).order_by(*ordered).limit(limit)
        for case in branches.cases
    ]


def _behind(
    columns: Sequence[ColumnElement[object]], order: HistoryOrder, after: Position | None
) -> list[Condition]:
    if after is None:
        return []
    place: list[object] = [after.id]
    if order is HistoryOrder.LEAST_CONFIDENT:
        place.insert(0, after.confidence)
    if len(columns) == 1:
        column = columns[0]
        return [column < after.id if order is HistoryOrder.NEWEST else column > after.id]
    return [sql.tuple_(*columns) > sql.tuple_(*place)]


def _conditions(query: HistoryQuery) -> Iterable[Condition]:
    """Give what is told by a row alone, but its model, its class and its label."""
    only, row = query.only, PREDICTIONS.c
    if only.since is not None:
        yield row.id >= first_id_at(only.since)
        yield row.at >= only.since
    if only.until is not None:
        yield row.id < first_id_after(only.until)
        yield row.at < only.until
    if only.least_confidence is not None and not _is_confidence_behind(query):
        yield row.confidence >= only.least_confidence
    if only.most_confidence is not None:
        yield row.confidence <= only.most_confidence
    if only.request_id is not None:
        yield row.request_id == only.request_id
    if only.picture_sha256 is not None:
        yield row.picture_sha256 == only.picture_sha256


def _is_confidence_behind(query: HistoryQuery) -> bool:
    """Whether all behind the position have the least confidence: SQLite uses one bound alone."""
    if query.order is not HistoryOrder.LEAST_CONFIDENT or query.after is None:
        return False
    return (query.after.confidence or 0) >= (query.only.least_confidence or 0)


def _texts(only: HistoryFilter) -> list[str]:
    texts = (only.model, only.version, only.class_name, only.request_id)
    return [text for text in texts if text is not None]


def _labelled(only: HistoryFilter) -> list[Condition]:
    if only.is_labelled is None:
        return []
    return [_LABELLED if only.is_labelled else _UNLABELLED]


def _model_cases(connection: Connection, only: HistoryFilter) -> tuple[Condition, ...]:
    """Give a case for each version that is meant, labelled and not: each has its own index."""
    labelled = _labelled(only) or [_UNLABELLED, _LABELLED]
    return tuple(
        sql.and_(PREDICTIONS.c.model_id == model_id, one)
        for model_id in _model_ids(connection, only)
        for one in labelled
    )


def _model_ids(connection: Connection, only: HistoryFilter) -> list[int]:
    return list(connection.scalars(sql.select(MODELS.c.id).where(*_is_model(only))))


def _is_model(only: HistoryFilter) -> list[Condition]:
    named = ((MODELS.c.name, only.model), (MODELS.c.version, only.version))
    return [column == value for column, value in named if value is not None]


def _class_cases(connection: Connection, only: HistoryFilter) -> tuple[Condition, ...]:
    """Give a case for each class id that is meant, with the versions in which it means that."""
    meant: dict[int, list[int]] = {}
    models = connection.execute(sql.select(MODELS.c.id, MODELS.c.classes).where(*_is_model(only)))
    for model_id, classes in models:
        for class_id in _class_ids(only, classes):
            meant.setdefault(class_id, []).append(model_id)
    row = PREDICTIONS.c
    return tuple(
        sql.and_(row.class_id == class_id, row.model_id.in_(model_ids), *_labelled(only))
        for class_id, model_ids in meant.items()
    )


def _class_ids(only: HistoryFilter, classes: Sequence[str]) -> list[int]:
    known = range(len(classes))
    if only.class_id is not None:
        known = range(only.class_id, only.class_id + 1) if only.class_id in known else range(0)
    return [one for one in known if only.class_name in (None, classes[one])]
