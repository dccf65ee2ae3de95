"""Deletes what is too old from the history, a little at a time; of a machine's workers, one does.

What SQLite's file had for it is used again for new predictions: the file stays as large as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import sqlalchemy as sql
from filelock import FileLock, Timeout

from topfive.errors import HistoryUnreachable
from topfive.history.database import PATIENCE_S, Database
from topfive.history.ids import first_id_at
from topfive.history.schema import PREDICTIONS

# So few that whoever writes hardly waits: in SQLite nobody else writes meanwhile.
DELETED_AT_ONCE = 500
# How soon another worker takes over where the one that deletes has ended.
_TAKE_OVER_S = 60.0
_LOOKS_EVERY_S = 600.0
# Any number that other programs hardly use for a lock of their own.
_LOCK = 0x746F_7066_6976_66


@dataclass(frozen=True, slots=True)
class RetentionEvents:
    """Whom to tell: how many were deleted, and why that could not be done for now."""

    on_deleted: Callable[[int], None]
    on_failure: Callable[[str], None]


def delete_before(database: Database, before: datetime, patience_s: float = PATIENCE_S) -> int:
    """Delete the oldest predictions made before a time, with their labels; returns how many.

    Never more than DELETED_AT_ONCE, in one transaction; none while another machine is at it.
    Raises HistoryUnreachable.
    """
    old = (
        sql.select(PREDICTIONS.c.id)
        .where(PREDICTIONS.c.id < first_id_at(before))
        .order_by(PREDICTIONS.c.id)
        .limit(DELETED_AT_ONCE)
    )
    with database.reading(patience_s) as connection:
        if connection.execute(old.limit(1)).first() is None:
            return 0
    with database.writing(patience_s) as connection:
        if not database.is_sqlite:
            is_mine = sql.select(sql.func.pg_try_advisory_xact_lock(_LOCK))
            if not connection.scalar(is_mine):
                return 0
        return connection.execute(sql.delete(PREDICTIONS).where(PREDICTIONS.c.id.in_(old))).rowcount


class Retention:
    """A background thread that deletes predictions older than `days`.

    It rests for as long as each deletion took. `lock` is a file that one of the machine's workers
    has locked, which then does it; None: there is no other worker.
    """

    def __init__(
        self, database: Database, days: int, lock: Path | None, events: RetentionEvents
    ) -> None:
        self._database = database
        self._age = timedelta(days=days)
        self._events = events
        self._deleted = 0
        self._stopping = Event()
        self._lock = FileLock(lock, thread_local=False) if lock else None
        self._thread = Thread(target=self._run, name="topfive-history-retention", daemon=True)

    def start(self) -> None:
        """Begin to delete."""
        self._thread.start()

    def stop(self) -> None:
        """Delete no more; what is under way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            wait_s = 0.0
            while not self._stopping.wait(wait_s):
                wait_s = self._step()
        finally:
            if self._lock is not None:
                self._lock.release(force=True)

    def _step(self) -> float:
        """Delete a little, if it is this worker that does; returns the seconds to wait."""
        try:
            if self._lock is not None:
                # It is kept until this worker ends.
                self._lock.acquire(blocking=False)
            return self._delete()
        except Timeout:
            return _TAKE_OVER_S
        except HistoryUnreachable as error:
            self._events.on_failure(str(error))
        except Exception as error:  # noqa: BLE001 - a worker loop: nothing may end the deleting
            self._events.on_failure(f"{type(error).__name__}: {error}")
        return _LOOKS_EVERY_S

    def _delete(self) -> float:
        since_s = monotonic()
        deleted = delete_before(self._database, datetime.now(UTC) - self._age)
        self._deleted += deleted
        if deleted == DELETED_AT_ONCE:
            return monotonic() - since_s
        if self._deleted:
            self._events.on_deleted(self._deleted)
            self._deleted = 0
        return _LOOKS_EVERY_S
