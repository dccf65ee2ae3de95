"""Writes predictions: many in one transaction, and each only once."""

from collections.abc import Sequence

import sqlalchemy as sql
from sqlalchemy import Connection

from topfive.history.database import PATIENCE_S, Database
from topfive.history.failures import RowsRefused
from topfive.history.inserting import insert_new
from topfive.history.records import PredictionRecord, RecordedModel
from topfive.history.rows import to_model_row, to_row
from topfive.history.schema import MODELS, PREDICTIONS

# Made once: to make it takes SQLAlchemy longer than to ask it.
_FIND_MODEL = sql.select(MODELS.c.id).where(
    *(MODELS.c[name] == sql.bindparam(name) for name in ("name", "version", "digest"))
)


def write_records(
    database: Database, records: Sequence[PredictionRecord], patience_s: float = PATIENCE_S
) -> int:
    """Write predictions in one transaction, and return how many the database has taken.

    Those that are there already are left as they are and counted: after a commit whose answer was
    lost the same ones may be written again. What the database refuses for its contents is left
    out. Raises HistoryUnreachable, after `patience_s` at the latest; then none is written.
    """
    try:
        _write(database, records, patience_s)
    except RowsRefused:
        return sum(_is_taken(database, one, patience_s) for one in records)
    return len(records)


def _is_taken(database: Database, record: PredictionRecord, patience_s: float) -> bool:
    try:
        _write(database, [record], patience_s)
    except RowsRefused:
        return False
    return True


def _write(database: Database, records: Sequence[PredictionRecord], patience_s: float) -> None:
    if not records:
        return
    with database.writing(patience_s) as connection:
        if not database.is_sqlite:
            # In the order of pg_restore and of migrations, so that neither waits for the other.
            connection.exec_driver_sql("LOCK TABLE predictions IN ROW EXCLUSIVE MODE")
        # They are looked up each time: a database that was restored may have other numbers.
        models = {one.model: one.model for one in records}
        ids = {model: _model_id(connection, model) for model in models}
        rows = [to_row(one, ids[one.model]) for one in records]
        insert_new(connection, PREDICTIONS, rows)


def _model_id(connection: Connection, model: RecordedModel) -> int:
    asked = {"name": model.name, "version": model.version, "digest": model.digest}
    known = connection.scalar(_FIND_MODEL, asked)
    if known is None:
        insert_new(connection, MODELS, [to_model_row(model)])
        known = connection.scalar(_FIND_MODEL, asked)
    assert isinstance(known, int)  # noqa: S101 - for mypy: it has just been written
    return known
