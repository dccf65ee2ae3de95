"""SQLite as the history's database: many readers beside one writer, in one file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import URL, Connection, Engine, create_engine, event

# In a write-ahead log readers and the writer do not wait for each other. NORMAL: what is committed
# outlives the end of a process at any moment; a power failure may cost the last commits, and never
# the database (https://www.sqlite.org/pragma.html#pragma_synchronous).
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

# After so many steps of its virtual machine it is looked whether the time is over; under a
# millisecond.
_STEPS_BETWEEN_LOOKS = 20_000


def make_engine(url: URL, *, connections: int, wait_s: float) -> Engine:
    """Make an engine that connects when it is first used."""
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=wait_s, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    # Transactions are begun by _begin alone: Python's own would leave out reads and DDL.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # What writes takes the lock at once: a reader that turns into a writer may be refused.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def limit_time(connection: Connection, patience_s: float) -> Iterator[None]:
    """Let what is done with a connection take so long, waiting for locks included."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - for mypy
    until_s = monotonic() + patience_s
    raw.execute(f"PRAGMA busy_timeout = {max(1, round(patience_s * 1000))}")
    raw.set_progress_handler(lambda: monotonic() > until_s, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)
