"""Where the schema of a database is, and what that means for this version of topfive."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from topfive import __version__
from topfive.errors import HistoryRefused
from topfive.history import migrations
from topfive.history.schema import METADATA, MIGRATIONS

# A database may be shared with another program that uses Alembic.
VERSION_TABLE = "topfive_schema"

_UPGRADE = "Run `topfive db upgrade`, and start again."


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where a schema is; `revision` is None where there is none.

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

    @property
    def writer(self) -> str:
        """Who made it, in words."""
        return f"topfive {self.written_by}" if self.written_by else "another version of topfive"


def make_config() -> Config:
    """Make the configuration with which Alembic finds the migrations of this version."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def revisions() -> tuple[str, ...]:
    """List the revisions that this version knows, oldest first."""
    scripts = ScriptDirectory.from_config(make_config())
    return tuple(reversed([one.revision for one in scripts.walk_revisions()]))


def tell_lost(revision: str) -> str:
    """Say what is deleted by the step down from a revision; empty: nothing."""
    script = ScriptDirectory.from_config(make_config()).get_revision(revision)
    return str(script.module.LOST_BY_DOWNGRADE)


def no_schema() -> SchemaState:
    """Tell of a database in which nothing is."""
    known = revisions()
    return SchemaState(None, known[-1], None, is_known=True, pending=known)


def read_state(connection: Connection) -> SchemaState:
    """Tell where the schema of a database is; raises HistoryRefused where it names several."""
    revision = _revision(connection)
    if revision is None:
        return no_schema()
    known = revisions()
    is_known = revision in known
    return SchemaState(
        revision=revision,
        newest=known[-1],
        written_by=_written_by(connection, revision),
        is_known=is_known,
        pending=known[known.index(revision) + 1 :] if is_known else (),
    )


def others_tables(connection: Connection) -> tuple[str, ...]:
    """Name the tables of a database without a schema that are called as those of the history."""
    return tuple(sorted(set(METADATA.tables) & set(sql.inspect(connection).get_table_names())))


def tell_why_unusable(state: SchemaState) -> str:
    """Say why this version cannot use a schema, and what to do; empty: it can."""
    if state.is_current:
        return ""
    if not state.is_known:
        return tell_unknown(state)
    if state.revision is None:
        return f"The history's database is empty. {_UPGRADE}"
    return (
        f"The history's database has schema {state.revision}, and this version of topfive needs "
        f"{state.newest}. {_UPGRADE}"
    )


def tell_unknown(state: SchemaState) -> str:
    """Say that a schema is of a version to come, of which, and what to do."""
    return (
        f"The history's database has schema {state.revision}, made by {state.writer}; topfive "
        f"{__version__} knows none newer than {state.newest}. Use that version or a newer one, or "
        f"bring the schema down with it: topfive db downgrade {state.newest}."
    )


def tell_others_tables(names: tuple[str, ...]) -> str:
    """Say that tables are in the way."""
    return (
        f"The history's database has tables named {' and '.join(names)} that topfive did not make. "
        "Give the history a database of its own."
    )


def _revision(connection: Connection) -> str | None:
    if not sql.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sql.table(VERSION_TABLE, sql.column("version_num", sql.String))
    found = connection.scalars(sql.select(table.c.version_num)).all()
    if len(found) > 1:
        raise HistoryRefused(
            f"The history's database names {len(found)} schemas in {VERSION_TABLE}, and has one: "
            "somebody has changed that table. Restore a backup."
        )
    return found[0] if found else None


def _written_by(connection: Connection, revision: str) -> str | None:
    if not sql.inspect(connection).has_table(MIGRATIONS.name):
        return None
    is_it = MIGRATIONS.c.revision == revision
    return connection.scalar(sql.select(MIGRATIONS.c.topfive_version).where(is_it))
