"""SQLite as the history's database: many readers beside one writer, in one file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

# In a write-ahead log readers and the writer do not wait for each other. NORMAL: what is committed
# outlives the end of a process at any moment; a power failure may cost the last commits, and never
# the database (https://www.sqlite.org/pragma.html#pragma_synchronous).
_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

# While a connection is made it waits for so long for a lock; then the rest of a caller's patience
# counts.
_CONNECT_S = 1.5

# After so many steps of its virtual machine it is looked whether the time is over; under a
# millisecond.
_STEPS_BETWEEN_LOOKS = 20_000


def make_engine(url: URL, *, connections: int, wait_s: float) -> Engine:
    """Make an engine that connects when it is first used."""
    engine = create_engine(
        url, pool_size=connections, max_overflow=0, pool_timeout=wait_s, hide_parameters=True
    )
    event.listen(engine, "do_connect", _open_existing)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "checkout", _require_same_file)
    event.listen(engine, "begin", _begin)
    return engine


def _open_existing(_: object, record: Any, given: list[str], options: dict[str, object]) -> None:
    """Make no file: one that lacks tables would be in the way of those that belong there."""
    record.info["file"] = _identity(given[0])
    given[0] = f"{Path(given[0]).absolute().as_uri()}?mode=rw"
    options.update(uri=True, timeout=_CONNECT_S)


def _require_same_file(connection: sqlite3.Connection, record: Any, _: object) -> None:
    """Connect anew where a file was deleted or replaced: what is written to it would be lost."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    if _identity(path) != record.info["file"]:
        raise DisconnectionError


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


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
