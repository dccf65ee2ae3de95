"""Writes predictions also where SQLite's file was deleted, or had no tables at the start."""

from collections.abc import Sequence

from topfive.errors import HistoryRefused
from topfive.history.database import Database
from topfive.history.failures import HistoryUnusable
from topfive.history.records import PredictionRecord
from topfive.history.writing import write_records


def write_healing(database: Database, records: Sequence[PredictionRecord]) -> int:
    """Write as `write_records` does; a SQLite file that is empty or gone is made anew first.

    Raises HistoryUnreachable.
    """
    try:
        return write_records(database, records)
    except HistoryUnusable as error:
        if not database.is_sqlite:
            raise
        # Alembic is needed here alone.
        from topfive.history.migration import make_ready  # noqa: PLC0415

        try:
            make_ready(database)
        except HistoryRefused:
            raise error from None
    return write_records(database, records)
