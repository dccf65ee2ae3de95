"""`topfive db`: the schema of the history's database."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from topfive.cli.extras import require_packages
from topfive.cli.reporting import reporting
from topfive.errors import SettingsError
from topfive.history.address import check_history_url, needed_packages
from topfive.settings import read_settings

if TYPE_CHECKING:
    from topfive.history.database import Database
    from topfive.history.schema_state import SchemaState

Command = Callable[..., None]


def of_database(command: Command) -> Command:
    """Add the options that every command about the database has."""
    url = click.option("--url", help="The database. [default: TOPFIVE_HISTORY_URL]")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return url(as_json(command))


@click.group(short_help="Show and change the schema of the history's database.")
def db() -> None:
    """Show and change the schema of the history's database.

    A version of topfive needs the schema that it knows as the newest, and does not start with an
    older or a newer one. The tables of a new SQLite file are made at the start; all else is done
    by `upgrade`, before the new version starts. Make a backup first: docs/HISTORY.md tells how.

    The database is that of TOPFIVE_HISTORY_URL. A password in --url can be seen by others on this
    machine while the command runs.

    \b
    Examples:
      topfive db current
      topfive db upgrade
    """


@db.command()
@click.argument("revision", required=False)
@of_database
def upgrade(revision: str | None, url: str | None, *, as_json: bool) -> None:
    """Bring the schema up to REVISION [default: the newest].

    All or nothing; several at once wait for each other. Nothing is lost. What is predicted
    meanwhile waits in the running service's queues.

    \b
    Examples:
      topfive db upgrade
      topfive db upgrade 0002 --json
    """
    with _opened(url) as database:
        from topfive.history import migration  # noqa: PLC0415 - SQLAlchemy is not always here

        before = migration.current(database)
        _tell_change(before, migration.upgrade(database, revision), as_json=as_json)


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Delete what the lower schema cannot hold.")
@of_database
def downgrade(revision: str, url: str | None, *, yes: bool, as_json: bool) -> None:
    """Bring the schema down to REVISION; -1: one step; base: until no table is left.

    For going back to an older version of topfive: stop the newer one, bring the schema down with
    it, then start the older one. All or nothing.

    \b
    Examples:
      topfive db downgrade -1
      topfive db downgrade 0001 --yes
    """
    with _opened(url) as database:
        from topfive.history import migration  # noqa: PLC0415 - as above

        before = migration.current(database)
        target = migration.one_below(before) if revision == "-1" else revision
        lost = migration.lost_by_downgrade(before, target)
        if lost and not yes:
            raise click.UsageError(f"This deletes {' and '.join(lost)}. Say --yes if it is meant.")
        _tell_change(before, migration.downgrade(database, target), as_json=as_json)


@db.command()
@of_database
def current(url: str | None, *, as_json: bool) -> None:
    """Show which schema the database has, and whether this version of topfive can use it.

    The exit code is 1 where it cannot.

    \b
    Examples:
      topfive db current
      topfive db current --json
    """
    with _opened(url) as database:
        from topfive.history import migration  # noqa: PLC0415 - as above
        from topfive.history.schema_state import tell_why_unusable  # noqa: PLC0415

        state = migration.current(database)
    if as_json:
        click.echo(json.dumps(_json(state)))
    else:
        click.echo(tell_why_unusable(state) or f"{_told(state)}: it is the newest.")
    raise SystemExit(0 if state.is_current else 1)


@db.command(hidden=True)
def prepare() -> None:
    """Make a SQLite file ready and check the schema, for `serve`."""
    with reporting(is_wanted=True), _opened(None) as database:
        from topfive.history import migration  # noqa: PLC0415 - as above

        migration.make_ready(database)


@contextmanager
def _opened(url: str | None) -> Iterator["Database"]:
    address = _chosen(url)
    needed = needed_packages(address)
    require_packages(needed.names, "topfive db", needed.requirements)
    from topfive.history.database import open_database  # noqa: PLC0415 - as above

    database = open_database(address)
    try:
        yield database
    finally:
        database.close()


def _chosen(url: str | None) -> str:
    if url is None:
        url = read_settings().history_url
        if not url:
            raise SettingsError("No database is named: set TOPFIVE_HISTORY_URL.")
        return url
    try:
        check_history_url(url)
    except ValueError as error:
        # The address itself may hold a password.
        raise click.UsageError(f"--url: {error}.") from error
    return url


def _tell_change(before: "SchemaState", after: "SchemaState", *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_json(after) | {"was": before.revision}))
    elif before.revision == after.revision:
        click.echo(f"{_told(after)}: there is nothing to do.")
    else:
        was = f"it was {before.revision}" if before.revision else "there was none"
        click.echo(f"{_told(after)}; {was}.")


def _told(state: "SchemaState") -> str:
    if state.revision is None:
        return "The history's database has no schema"
    return f"The history's database has schema {state.revision}"


def _json(state: "SchemaState") -> dict[str, Any]:
    told = asdict(state)
    del told["is_known"]
    return told | {"is_current": state.is_current}
