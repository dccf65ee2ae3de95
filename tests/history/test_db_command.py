"""`topfive db`: what a person reads, on both databases."""

import json

import pytest
from click.testing import CliRunner, Result

from tests.postgresql_server import PostgresqlServer
from topfive import __version__
from topfive.cli import commands
from topfive.errors import HistoryRefused, HistoryUnreachable, SettingsError
from topfive.history import migration
from topfive.history.database import open_database


def db(*arguments: str, url: str) -> Result:
    """Run `topfive db` about a database."""
    return CliRunner().invoke(commands, ["db", *arguments], env={"TOPFIVE_HISTORY_URL": url})


def test_up_and_where_it_is(empty_url: str) -> None:
    """Up to a revision, to the newest, and again; before and after it is said where it is."""
    empty = db("current", url=empty_url)
    assert (empty.exit_code, "is empty. Run `topfive db upgrade`" in empty.output) == (1, True)
    first = db("upgrade", "0001", url=empty_url)
    assert first.output == "The history's database has schema 0001; there was none.\n"
    between = db("current", url=empty_url)
    assert between.exit_code == 1
    assert "has schema 0001, and this version of topfive needs 0002" in between.output
    second = db("upgrade", url=empty_url)
    assert second.output == "The history's database has schema 0002; it was 0001.\n"
    again = db("upgrade", url=empty_url)
    assert again.output == "The history's database has schema 0002: there is nothing to do.\n"
    newest = db("current", url=empty_url)
    assert newest.output == "The history's database has schema 0002: it is the newest.\n"
    assert newest.exit_code == 0


def test_down_only_where_it_is_meant(empty_url: str) -> None:
    """What would be deleted is told before anything is."""
    db("upgrade", url=empty_url)
    asked = db("downgrade", "-1", url=empty_url)
    assert asked.exit_code == 2
    assert (
        "This deletes all labels and references for drift. Say --yes if it is meant."
        in asked.output
    )
    assert (
        "all labels and references for drift and all predictions"
        in db("downgrade", "base", url=empty_url).output
    )
    assert db("current", url=empty_url).exit_code == 0
    down = db("downgrade", "-1", "--yes", url=empty_url)
    assert down.output == "The history's database has schema 0001; it was 0002.\n"
    last = db("downgrade", "--yes", "base", url=empty_url)
    assert last.output == "The history's database has no schema; it was 0001.\n"
    further = db("downgrade", "-1", "--yes", url=empty_url)
    assert further.output == "The history's database has no schema: there is nothing to do.\n"


def test_for_programs_there_is_json(empty_url: str) -> None:
    """The same in one object."""
    upgraded = json.loads(db("upgrade", "--json", url=empty_url).output)
    told = {
        "revision": "0002",
        "newest": "0002",
        "written_by": __version__,
        "pending": [],
        "is_current": True,
    }
    assert upgraded == told | {"was": None}
    assert json.loads(db("current", "--json", url=empty_url).output) == told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("upgrade", "0009"), "no schema 0009. Known are 0001, 0002"),
        (("upgrade", "0001"), "has schema 0002, which is above 0001: topfive db downgrade"),
        (("downgrade", "--yess"), "no schema --yess"),
    ],
)
def test_a_revision_that_is_not_meant_so_is_refused(
    history_url: str, arguments: tuple[str, ...], words: str
) -> None:
    """It is said which there are, or which command is meant."""
    refused = db(*arguments, url=history_url).exception
    assert isinstance(refused, HistoryRefused)
    assert words in str(refused)


def test_down_from_below_is_refused(empty_url: str) -> None:
    """A step down does not go up."""
    refused = db("downgrade", "0001", url=empty_url).exception
    assert isinstance(refused, HistoryRefused)
    assert "has no schema, which is below 0001: topfive db upgrade" in str(refused)


def test_another_database_can_be_named(empty_url: str) -> None:
    """`--url` counts, whatever the settings say."""
    done = db("upgrade", "--url", empty_url, url="sqlite:////nowhere/history.db")
    assert done.exit_code == 0
    database = open_database(empty_url)
    assert migration.current(database).is_current
    database.close()


def test_without_a_database_there_is_nothing_to_do() -> None:
    """It is said which setting names it."""
    refused = db("current", url="").exception
    assert isinstance(refused, SettingsError)
    assert "TOPFIVE_HISTORY_URL" in str(refused)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:SECRET@host/db",
        "postgresql+asyncpg://me:SECRET@host/db",
        "postgresql://me:SECRET@host:port/db",
        "postgresql://me:SEC#RET@host/db",
        "postgresql://me:SEC@RET@host/db",
        "postgresql://me:12/SEC@RET@host/db",
        "postgresql://me:SECRET%00@host/db",
        "sqlite://history.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:////SECRET/",
        "sqlite:////SECRET%00.db",
        "sqlite:///file:SECRET?mode=ro",
        "SECRET",
    ],
)
def test_what_is_no_address_is_refused_without_being_told(url: str) -> None:
    """Its password is not printed, in whichever way it is wrong."""
    refused = db("current", "--url", url, url="")
    assert refused.exit_code == 2
    assert "SECRET" not in refused.output
    assert "RET@" not in refused.output


def test_a_database_that_is_away_is_told_as_such() -> None:
    """Neither its address nor its password is printed."""
    failed = db("current", url="postgresql://me:SECRET@127.0.0.1:9/db").exception
    assert isinstance(failed, HistoryUnreachable)
    assert str(failed) == (
        "The history's database does not answer: nothing listens at its host and port."
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("nope=1", "its address has an option that PostgreSQL lacks"),
        ("sslmode=bogus", "its address gives an option a value that it cannot have"),
        ("connect_timeout=x", "its address gives an option a value that it cannot have"),
        ("keepalives_idle=x", "its address gives an option a value that it cannot have"),
        ("sslmode=require", "has no TLS, which its address asks for"),
    ],
)
def test_an_option_that_cannot_be_is_no_outage(
    postgresql: PostgresqlServer, options: str, words: str
) -> None:
    """Waiting does not help, so a start is refused with what is wrong."""
    refused = db("current", url=f"{postgresql.url()}?{options}").exception
    assert isinstance(refused, HistoryRefused)
    assert words in str(refused)
