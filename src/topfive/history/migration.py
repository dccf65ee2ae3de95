"""Brings the schema of the history's database up or down, and checks it before a start."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from topfive import __version__
from topfive.errors import HistoryRefused
from topfive.history.database import PATIENCE_S, Database
from topfive.history.failures import HistoryUnusable
from topfive.history.schema import MIGRATIONS
from topfive.history.schema_state import (
    VERSION_TABLE,
    SchemaState,
    make_config,
    no_schema,
    others_tables,
    read_state,
    revisions,
    tell_lost,
    tell_others_tables,
    tell_unknown,
    tell_why_unusable,
)

BASE = "base"

# An index over many millions of rows takes its time.
_MIGRATION_PATIENCE_S = 3600.0
# Any number that other programs hardly use for a lock of their own.
_LOCK = 0x746F_7066_6976_65


def current(database: Database) -> SchemaState:
    """Tell where the schema is; raises HistoryRefused and HistoryUnreachable."""
    if database.is_missing:
        return no_schema()
    with _refusing(), database.reading() as connection:
        return read_state(connection)


def upgrade(
    database: Database, revision: str | None = None, patience_s: float = _MIGRATION_PATIENCE_S
) -> SchemaState:
    """Bring the schema up to a revision, or to the newest; several at once wait for each other.

    All or nothing. Raises HistoryRefused for a schema or revision that is not known, and where
    tables of something else are in the way, and HistoryUnreachable.
    """
    database.make_file()
    target = _require_known(revision or revisions()[-1])
    with _changing(database, patience_s) as (connection, before):
        if _step(target) < _step(before.revision):
            raise HistoryRefused(
                f"The history's database has schema {before.revision}, which is above {target}: "
                "topfive db downgrade."
            )
        return _run(connection, command.upgrade, target)


def downgrade(database: Database, revision: str) -> SchemaState:
    """Bring the schema down to a revision, with the loss of what that did not have; BASE: to none.

    All or nothing. Raises as `upgrade` does.
    """
    target = BASE if revision == BASE else _require_known(revision)
    with _changing(database, _MIGRATION_PATIENCE_S) as (connection, before):
        _require_below(before, target)
        return _run(connection, command.downgrade, target)


def one_below(state: SchemaState) -> str:
    """Name the revision a step below; BASE where that is none. Raises HistoryRefused."""
    if not state.is_known:
        raise HistoryRefused(tell_unknown(state))
    step = _step(state.revision)
    return revisions()[step - 2] if step > 1 else BASE


def lost_by_downgrade(state: SchemaState, revision: str) -> tuple[str, ...]:
    """Say what is deleted on the way down to a revision, or to BASE; raises HistoryRefused."""
    target = BASE if revision == BASE else _require_known(revision)
    _require_below(state, target)
    steps = revisions()[_step(target) : _step(state.revision)]
    return tuple(lost for one in reversed(steps) if (lost := tell_lost(one)))


def check_schema(database: Database, patience_s: float = PATIENCE_S) -> None:
    """Do nothing for a schema that can be used; raises HistoryRefused, and HistoryUnreachable."""
    with _refusing(), database.reading(patience_s) as connection:
        state = read_state(connection)
        if state.revision is None:
            _refuse_others_tables(connection)
        if why := tell_why_unusable(state):
            raise HistoryRefused(why)


def make_ready(database: Database, patience_s: float = PATIENCE_S) -> None:
    """Make the tables in a SQLite file that is empty or not there, then check the schema.

    Several processes may do so at once. Raises HistoryRefused, also where a SQLite file cannot be
    written to, and HistoryUnreachable.
    """
    if database.is_sqlite and current(database).revision is None:
        upgrade(database, patience_s=patience_s)
    check_schema(database, patience_s)
    if database.is_sqlite:
        with _refusing(), database.writing(patience_s):
            pass


@contextmanager
def _refusing() -> Iterator[None]:
    """Say of what no waiting heals that it is a mistake."""
    try:
        yield
    except HistoryUnusable as error:
        raise HistoryRefused(str(error)) from None


@contextmanager
def _changing(database: Database, patience_s: float) -> Iterator[tuple[Connection, SchemaState]]:
    """Begin to change a schema, alone; raises HistoryRefused for one that is not known."""
    with _refusing(), database.writing(patience_s) as connection:
        if not database.is_sqlite:
            # SQLite has one writer at any time.
            connection.execute(sql.select(sql.func.pg_advisory_xact_lock(_LOCK)))
        state = read_state(connection)
        if not state.is_known:
            raise HistoryRefused(tell_unknown(state))
        if state.revision is None:
            _refuse_others_tables(connection)
        yield connection, state


def _run(
    connection: Connection, change: Callable[[Config, str], None], revision: str
) -> SchemaState:
    config = make_config()
    config.attributes.update(
        connection=connection, version_table=VERSION_TABLE, on_version_apply=_note_version
    )
    change(config, revision)
    return read_state(connection)


def _note_version(*, ctx: Any, step: Any, **_: object) -> None:
    """Write down which topfive made a step, in the transaction of the step."""
    connection = ctx.connection
    if step.is_upgrade:
        values = {"topfive_version": __version__, "at": datetime.now(UTC)}
        connection.execute(sql.insert(MIGRATIONS).values(revision=step.up_revision_id, **values))
    elif sql.inspect(connection).has_table(MIGRATIONS.name):
        is_it = MIGRATIONS.c.revision == step.up_revision_id
        connection.execute(sql.delete(MIGRATIONS).where(is_it))


def _step(revision: str | None) -> int:
    """Tell how many steps up a revision is; none of them for BASE and where no schema is."""
    return 0 if revision in (None, BASE) else revisions().index(str(revision)) + 1


def _require_known(revision: str) -> str:
    if revision not in revisions():
        raise HistoryRefused(
            f"There is no schema {revision}. Known are {', '.join(revisions())}; below them is "
            f"{BASE}."
        )
    return revision


def _require_below(state: SchemaState, target: str) -> None:
    if not state.is_known:
        raise HistoryRefused(tell_unknown(state))
    if _step(target) > _step(state.revision):
        told = f"has schema {state.revision}" if state.revision else "has no schema"
        raise HistoryRefused(
            f"The history's database {told}, which is below {target}: topfive db upgrade."
        )


def _refuse_others_tables(connection: Connection) -> None:
    if names := others_tables(connection):
        raise HistoryRefused(tell_others_tables(names))
