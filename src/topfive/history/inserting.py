"""Inserts many rows: each database in the way that keeps those who predict waiting least."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect

from topfive.history.rows import Row

# Of one statement in SQLite before 3.32 (https://www.sqlite.org/limits.html).
_MOST_VALUES = 999

_Convert = Callable[[Any], Any]


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert those rows that are not there yet; all have the same columns."""
    if connection.dialect.name == "sqlite":
        most = _MOST_VALUES // len(rows[0])
        for first in range(0, len(rows), most):
            _insert_at_once(connection, table, rows[first : first + most])
    else:
        # The driver sends them one after the other, and waits once.
        connection.execute(_new_rows(table), rows)


def _insert_at_once(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert by one statement: row by row each would wait for Python's lock, which all want."""
    columns = tuple(rows[0])
    begin, placeholders, end = _statement(table, columns, connection.dialect)
    converts = _converts(table, columns, connection.dialect)
    values = tuple(
        convert(row[name]) for row in rows for name, convert in zip(columns, converts, strict=True)
    )
    connection.exec_driver_sql(begin + ", ".join([placeholders] * len(rows)) + end, values)


@cache
def _new_rows(table: Table) -> postgresql.Insert:
    return postgresql.insert(table).on_conflict_do_nothing()


@cache
def _statement(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, str, str]:
    """Take the statement for one row apart: what comes before its values, they, what follows."""
    insert = sqlite.insert(table).on_conflict_do_nothing()
    text = str(insert.compile(dialect=dialect, column_keys=list(columns)))
    begin, placeholders, end = re.split(r"(?<= VALUES )|(?= ON CONFLICT )", text)
    return begin, placeholders, end


@cache
def _converts(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[_Convert, ...]:
    """Find what makes of a value what the driver takes, column by column."""
    kinds = [table.c[name].type.dialect_impl(dialect) for name in columns]
    return tuple(kind.bind_processor(dialect) or _as_it_is for kind in kinds)


def _as_it_is(value: Any) -> Any:
    return value
