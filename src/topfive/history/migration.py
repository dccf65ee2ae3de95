"""Brings the schema of the history's database up or down, and says where it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from topfive import __version__
from topfive.errors import HistoryRefused
from topfive.history import migrations
from topfive.history.database import Database
from topfive.history.failures import HistoryUnusable
from topfive.history.schema import METADATA, MIGRATIONS

# An index over many millions of rows takes its time.
_PATIENCE_S = 3600.0
_VERSION_TABLE = "topfive_schema"
# Any number that other programs hardly use for a lock of their own.
_LOCK = 0x746F_7066_6976_65

_UPGRADE = "Run `topfive db upgrade`, and start again."


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a schema is; revisions are None where there is no schema.

    `written_by` is the version of topfive that made it, where that is known. `pending` are the
    revisions that are still to come, oldest first; it says nothing where the schema is not known.
    """

    revision: str | None
    newest: str
    written_by: str | None
    is_known: bool
    pending: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether this version of topfive can use it."""
        return self.revision == self.newest


def revisions() -> tuple[str, ...]:
    """List the revisions that this version knows, oldest first."""
    found = [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]
    return tuple(reversed(found))


def current(database: Database) -> SchemaState:
    """Tell where the schema is; raises HistoryUnreachable."""
    with database.reading() as connection:
        return _state(connection)


def upgrade(database: Database, revision: str | None = None) -> SchemaState:
    """Bring the schema up to a revision, or to the newest; several at once wait for each other.

    All or nothing. Raises HistoryRefused for a schema or revision that is not known, and where
    tables of something else are in the way, and HistoryUnreachable.
    """
    return _migrate(database, revision or revisions()[-1], command.upgrade)


def downgrade(database: Database, revision: str | None) -> SchemaState:
    """Bring the schema down to a revision, with the loss of what that did not have; None: to none.

    All or nothing. Raises as `upgrade` does.
    """
    return _migrate(database, revision or "base", command.downgrade)


def check_schema(database: Database) -> None:
    """Do nothing for a schema that can be used; raises HistoryRefused, and HistoryUnreachable."""
    try:
        with database.reading() as connection:
            _check(connection, _state(connection))
    except HistoryUnusable as error:
        raise HistoryRefused(f"TOPFIVE_HISTORY_URL: {error}") from None


def make_ready(database: Database) -> None:
    """Make the tables in a SQLite file that is empty or not there, then check the schema.

    Several processes may do so at once. Raises HistoryRefused, and HistoryUnreachable.
    """
    if database.is_sqlite:
        try:
            _make_file(database)
            if current(database).revision is None:
                upgrade(database)
        except HistoryUnusable as error:
            raise HistoryRefused(f"TOPFIVE_HISTORY_URL: {error}") from None
    check_schema(database)


def _make_file(database: Database) -> None:
    """Make the file, for its owner alone: it says who asked for what, and when."""
    path = Path(database.engine.url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise HistoryRefused(
            f"TOPFIVE_HISTORY_URL: {path} cannot be made: {error.strerror}. Its directory must "
            "belong to the service's user."
        ) from error


def _migrate(database: Database, revision: str, step: Callable[[Config, str], None]) -> SchemaState:
    with database.writing(_PATIENCE_S) as connection:
        if not database.is_sqlite:
            # SQLite has one writer at any time.
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_LOCK)))
        state = _state(connection)
        if not state.is_known:
            raise _unknown(state)
        if state.revision is None:
            _refuse_other_tables(connection)
        if revision not in (*revisions(), "base"):
            raise HistoryRefused(f"No revision {revision}: known are {', '.join(revisions())}.")
        step(_config(connection), revision)
        return _state(connection)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes.update(
        connection=connection, version_table=_VERSION_TABLE, on_version_apply=_note_version
    )
    return config


def _note_version(*, ctx: Any, step: Any, **_: object) -> None:
    """Write down which topfive made a step, in the transaction of the step."""
    connection = ctx.connection
    if step.is_upgrade:
        values = {"topfive_version": __version__, "at": datetime.now(UTC)}
        connection.execute(sql.insert(MIGRATIONS).values(revision=step.up_revision_id, **values))
    elif sql.inspect(connection).has_table(MIGRATIONS.name):
        is_it = MIGRATIONS.c.revision == step.up_revision_id
        connection.execute(sql.delete(MIGRATIONS).where(is_it))


def _state(connection: Connection) -> SchemaState:
    known = revisions()
    revision = _revision(connection)
    place = 0 if revision is None else known.index(revision) + 1 if revision in known else None
    return SchemaState(
        revision=revision,
        newest=known[-1],
        written_by=None if revision is None else _written_by(connection, revision),
        is_known=place is not None,
        pending=() if place is None else known[place:],
    )


def _revision(connection: Connection) -> str | None:
    if not sql.inspect(connection).has_table(_VERSION_TABLE):
        return None
    table = sql.table(_VERSION_TABLE, sql.column("version_num", sql.String))
    return connection.scalar(sql.select(table.c.version_num))


def _written_by(connection: Connection, revision: str) -> str | None:
    if not sql.inspect(connection).has_table(MIGRATIONS.name):
        return None
    is_it = MIGRATIONS.c.revision == revision
    return connection.scalar(sql.select(MIGRATIONS.c.topfive_version).where(is_it))


def _check(connection: Connection, state: SchemaState) -> None:
    if state.is_current:
        return
    if not state.is_known:
        raise _unknown(state)
    if state.revision is None:
        _refuse_other_tables(connection)
        raise HistoryRefused(f"TOPFIVE_HISTORY_URL: the database is empty. {_UPGRADE}")
    raise HistoryRefused(
        f"TOPFIVE_HISTORY_URL: the database has schema {state.revision}, and this version of "
        f"topfive needs {state.newest}. {_UPGRADE}"
    )


def _unknown(state: SchemaState) -> HistoryRefused:
    writer = f"topfive {state.written_by}" if state.written_by else "another version of topfive"
    return HistoryRefused(
        f"TOPFIVE_HISTORY_URL: the database has schema {state.revision}, made by {writer}; topfive "
        f"{__version__} knows none newer than {state.newest}. Use that version or a newer one, or "
        "bring the database down with it: topfive db downgrade."
    )


def _refuse_other_tables(connection: Connection) -> None:
    ours = set(METADATA.tables) & set(sql.inspect(connection).get_table_names())
    if ours:
        raise HistoryRefused(
            f"TOPFIVE_HISTORY_URL: the database has tables named {' and '.join(sorted(ours))} "
            "that topfive did not make. Give the history a database of its own."
        )
