"""What a start does with the history's database: makes its tables, refuses it, or goes on."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.start import refused_start
from tests.live_server import run_server, server_environment
from tests.postgresql_server import PostgresqlServer
from topfive.errors import SettingsError
from topfive.history.database import open_database
from topfive.history.migration import current, upgrade
from topfive.settings import read_settings
from topfive.wiring import history_mistakes, prepare_history


def make_history(path: Path, *statements: str, revision: str | None = None) -> str:
    """Make a SQLite history, change it as something else would; returns its address."""
    url = f"sqlite:///{path}"
    database = open_database(url)
    upgrade(database, revision)
    database.close()
    with sqlite3.connect(path) as connection:
        for one in statements:
            connection.execute(one)
    connection.close()
    return url


def test_an_older_schema_stops_the_start(tmp_path: Path) -> None:
    """With the command that mends it."""
    url = make_history(tmp_path / "history.db", revision="0001")
    assert refused_start(tmp_path, model="digits", history_url=url) == (
        "Error: The history's database has schema 0001, and this version of topfive needs 0002. "
        "Run `topfive db upgrade`, and start again.\n"
    )


def test_a_newer_schema_stops_the_start(tmp_path: Path) -> None:
    """With the version of topfive that made it."""
    url = make_history(
        tmp_path / "history.db",
        "UPDATE topfive_schema SET version_num = '0099'",
        "INSERT INTO topfive_migrations VALUES ('0099', '7.1.0', '2030-01-01 00:00:00.000000')",
    )
    message = refused_start(tmp_path, model="digits", history_url=url)
    assert "has schema 0099, made by topfive 7.1.0" in message
    assert "knows none newer than 0002" in message


def test_an_empty_postgresql_stops_the_start(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Its tables are made by its owner, with the command that is told."""
    url = postgresql.make_database()
    assert refused_start(tmp_path, model="digits", history_url=url) == (
        "Error: The history's database is empty. Run `topfive db upgrade`, and start again.\n"
    )


def test_a_wrong_password_stops_the_start(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Waiting does not help; the password is not told."""
    url = postgresql.make_database().replace("signs@", "SECRET@")
    message = refused_start(tmp_path, model="digits", history_url=url)
    assert message == "Error: The history's database refuses the user or the password.\n"


def test_another_file_stops_the_start(tmp_path: Path) -> None:
    """A file that is no database is left as it is."""
    (tmp_path / "history.db").write_text("Dear diary! " * 100)
    url = f"sqlite:///{tmp_path}/history.db"
    message = refused_start(tmp_path, model="digits", history_url=url)
    assert message == "Error: The history's database is not a SQLite database.\n"
    assert (tmp_path / "history.db").read_text() == "Dear diary! " * 100


def test_a_start_makes_the_file_and_keeps_the_parent_lean(tmp_path: Path) -> None:
    """A new file has its tables and belongs to the service's user alone; nothing of the database's
    libraries stays in the process that workers are forked from.
    """
    path = tmp_path / "kept" / "history.db"
    with run_server(tmp_path, model="digits", history_url=f"sqlite:///{path}") as server:
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        assert not [line for line in maps.splitlines() if "sqlalchemy" in line or "psycopg" in line]
        assert not server.events("history_not_checked")
    assert path.stat().st_mode & 0o777 == 0o600
    database = open_database(f"sqlite:///{path}")
    assert current(database).is_current
    database.close()


def test_several_starts_at_once_make_one_schema(tmp_path: Path) -> None:
    """Whoever comes second finds the tables of the first."""
    settings = server_environment({"TOPFIVE_HISTORY_URL": f"sqlite:///{tmp_path}/history.db"})
    command = [sys.executable, "-m", "topfive", "db", "prepare"]
    starts = [
        subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) for _ in range(5)
    ]
    assert [(one.communicate()[0], one.returncode) for one in starts] == [("", 0)] * 5


def test_a_database_that_is_away_does_not_stop_the_start(tmp_path: Path) -> None:
    """Predictions do not wait for it; the log says why it was not looked at."""
    with run_server(
        tmp_path, model="digits", history_url="postgresql://me:SECRET@127.0.0.1:9/db"
    ) as server:
        assert server.get("/health").json["status"] == "healthy"
        (event,) = server.events("history_not_checked")
        assert event["reason"] == (
            "The history's database does not answer: nothing listens at its host and port."
        )
        assert not [line for line in server.lines if "SECRET" in line]


@pytest.mark.parametrize(
    ("url", "missing", "requirements"),
    [
        ("sqlite:////var/history.db", "sqlalchemy", "requirements-history.txt"),
        ("postgresql://db/topfive", "psycopg", "requirements-postgresql.txt"),
    ],
)
def test_a_missing_package_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, url: str, missing: str, requirements: str
) -> None:
    """It is said which, and what to install; nothing is asked of the database."""
    monkeypatch.setenv("TOPFIVE_HISTORY_URL", url)
    monkeypatch.setattr(
        "topfive.wiring.history_check.find_spec", lambda name: None if name == missing else "there"
    )
    settings = read_settings()
    told = f"{missing}, which is not installed: pip install -r {requirements}"
    assert history_mistakes(settings) == [f"TOPFIVE_HISTORY_URL needs {told}"]
    with pytest.raises(SettingsError, match=missing):
        prepare_history(settings)


def test_without_a_history_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, no look for a package."""
    monkeypatch.delenv("TOPFIVE_HISTORY_URL", raising=False)
    monkeypatch.setattr("topfive.wiring.history_check.find_spec", None)
    monkeypatch.setattr("topfive.wiring.history_check.prepare_in_own_process", None)
    settings = read_settings()
    assert history_mistakes(settings) == []
    prepare_history(settings)
