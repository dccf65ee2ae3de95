"""Both databases, so that what is promised is promised of either."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql_server import PostgresqlServer, run_postgresql
from topfive.history.database import Database, open_database
from topfive.history.kept import KeptHistory
from topfive.history.migration import upgrade

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of this process; a test that stops it starts it again."""
    with run_postgresql() as server:
        yield server


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without a table; of SQLite, of a file that is not there."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.make_database()


@pytest.fixture
def empty_database(empty_url: str) -> Iterator[Database]:
    """A database without a table; of SQLite, an empty file."""
    database = open_database(empty_url)
    database.make_file()
    yield database
    database.close()


@pytest.fixture(scope="session")
def postgresql_url(postgresql: PostgresqlServer) -> str:
    """The address of a PostgreSQL database with the newest schema, for one test after another."""
    return _migrate(postgresql.make_database())


@pytest.fixture(params=DATABASES)
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with the newest schema and nothing in it."""
    if request.param == "sqlite":
        return _migrate(f"sqlite:///{tmp_path}/history.db")
    url: str = request.getfixturevalue("postgresql_url")
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    server.execute("TRUNCATE predictions, models RESTART IDENTITY", url)
    return url


@pytest.fixture
def database(history_url: str) -> Iterator[Database]:
    """A database with the newest schema."""
    database = open_database(history_url)
    yield database
    database.close()


@pytest.fixture
def history(database: Database) -> KeptHistory:
    """The history that is kept in it."""
    return KeptHistory(database)


def _migrate(url: str) -> str:
    database = open_database(url)
    upgrade(database)
    database.close()
    return url
