"""What the routes about predictions answer while their database is away, locked or slow."""

import http.client
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.history.conftest import DATABASES
from tests.history.records import make_record
from tests.history.test_http import fill, put_label
from tests.live_server import Answer, LiveServer, run_server
from tests.postgresql_server import PostgresqlServer

RECORDS = tuple(make_record(number) for number in range(100))
ONE = RECORDS[0].id
# Far more than the kernel holds of an answer that nobody reads.
MANY = tuple(make_record(number) for number in range(24_000))


@pytest.fixture(scope="module")
def history_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite with many predictions."""
    path = tmp_path_factory.mktemp("faults") / "history.db"
    fill(f"sqlite:///{path}", MANY)
    return path


@pytest.fixture(scope="module")
def on_sqlite(history_file: Path) -> Iterator[LiveServer]:
    """A server over that file."""
    url = f"sqlite:///{history_file}"
    with run_server(
        history_file.parent, model="digits", history_url=url, history_retention_days="0"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def postgresql_database(postgresql: PostgresqlServer) -> str:
    """A database of PostgreSQL with many predictions."""
    url = postgresql.make_database()
    fill(url, MANY)
    return url


@pytest.fixture(scope="module")
def on_postgresql(
    postgresql_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server over that database."""
    folder = tmp_path_factory.mktemp("faults")
    with run_server(
        folder, model="digits", history_url=postgresql_database, history_retention_days="0"
    ) as server:
        yield server


def is_refused(answer: Answer) -> bool:
    """Tell whether it is said that the database does not answer, and when to ask again."""
    assert answer.status == 503, answer.body
    assert int(answer.headers["Retry-After"]) > 0
    return answer.code == "history_unavailable"


def wait_until_answered(server: LiveServer, within_s: float = 30) -> None:
    """Wait until the history answers again."""
    end_s = time.monotonic() + within_s
    while server.get("/predictions").status != 200:
        assert time.monotonic() < end_s
        time.sleep(0.1)


@contextmanager
def nothing_answered(postgresql: PostgresqlServer) -> Iterator[None]:
    """Have the database take connections and answer nothing until the block ends."""
    postgresql.hang()
    try:
        yield
    finally:
        postgresql.go_on()


def test_a_database_that_hangs_holds_up_nothing_else(
    on_postgresql: LiveServer, postgresql: PostgresqlServer
) -> None:
    """All who ask it are refused, those that find others waiting at once; pages are answered."""
    asked = ["/predictions", f"/predictions/{ONE}", "/predictions/export"] * 4
    with nothing_answered(postgresql), ThreadPoolExecutor(len(asked)) as pool:
        waiting = [pool.submit(on_postgresql.get, one) for one in asked]
        pages = [on_postgresql.get(one).status for one in ("/info", "/health", "/docs") * 4]
        assert pages == [200] * 12
        assert all(is_refused(one.result()) for one in waiting)
        at_once = [one.result() for one in waiting if b"slow to answer" in one.result().body]
        assert len(at_once) >= len(asked) - 6
    wait_until_answered(on_postgresql)


def test_a_database_that_is_stopped_is_used_again(
    on_postgresql: LiveServer, postgresql: PostgresqlServer
) -> None:
    """503 for reading and labelling while it is away; then all goes on without a restart."""
    postgresql.stop()
    try:
        assert is_refused(on_postgresql.get("/predictions"))
        assert is_refused(put_label(on_postgresql, ONE, {"class_id": 1}))
        assert is_refused(on_postgresql.request("DELETE", f"/predictions/{ONE}"))
        assert on_postgresql.get("/readyz").status == 200
    finally:
        postgresql.start()
    wait_until_answered(on_postgresql)
    assert put_label(on_postgresql, ONE, {"class_id": 1}).status == 200


def test_a_table_that_is_locked_is_told(
    on_postgresql: LiveServer, postgresql_database: str
) -> None:
    """503 as long as another program has it for itself."""
    with psycopg.connect(postgresql_database) as other:
        other.execute("LOCK TABLE predictions IN ACCESS EXCLUSIVE MODE")
        assert is_refused(on_postgresql.get("/predictions"))
        other.rollback()
    assert on_postgresql.get("/predictions").status == 200


def test_a_locked_file_is_read_and_not_labelled(on_sqlite: LiveServer, history_file: Path) -> None:
    """Who reads does not wait for who writes; a label is 503, and kept once the lock is gone."""
    with closing(sqlite3.connect(history_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert on_sqlite.get("/predictions").status == 200
        assert is_refused(put_label(on_sqlite, ONE, {"class_id": 1}))
        assert is_refused(on_sqlite.request("DELETE", f"/predictions/{ONE}"))
        other.execute("ROLLBACK")
    assert put_label(on_sqlite, ONE, {"class_id": 1}).json["label"]["class_id"] == 1


def test_a_database_that_is_read_only_is_read(
    on_postgresql: LiveServer, postgresql: PostgresqlServer, postgresql_database: str
) -> None:
    """Labels are 503 and change nothing; pages go on."""
    name = postgresql_database.rpartition("/")[2]
    others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    postgresql.execute(others)
    try:
        assert on_postgresql.get("/predictions").status == 200
        assert is_refused(put_label(on_postgresql, ONE, {"class_id": 2}))
    finally:
        postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        postgresql.execute(others)
    assert put_label(on_postgresql, ONE, {"class_id": 2}).status == 200


def begin_export(server: LiveServer) -> http.client.HTTPResponse:
    """Ask for all as a client that takes little at a time; returns the answer, hardly read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.sock = socket.create_connection(("127.0.0.1", server.port), 60)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    connection.request("GET", "/predictions/export?order=oldest", headers={"Connection": "close"})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer


@pytest.mark.parametrize("database", DATABASES)
def test_an_export_waits_for_its_reader(request: pytest.FixtureRequest, database: str) -> None:
    """Who reads late gets the whole file; the worker goes on meanwhile, one export at a time."""
    server: LiveServer = request.getfixturevalue(f"on_{database}")
    with closing(begin_export(server)) as answer:
        begin = answer.read(100)
        time.sleep(1)
        assert is_refused(server.get("/predictions/export"))
        assert server.get("/predictions").status == 200
        lines = (begin + answer.read()).decode().splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == [str(one.id) for one in MANY]
    assert server.get("/predictions/export?class=cow").status == 200


def test_an_export_that_fails_has_no_end(
    on_postgresql: LiveServer, postgresql: PostgresqlServer
) -> None:
    """The client is not told that the file is whole, and the log says why it is not."""
    with closing(begin_export(on_postgresql)) as answer:
        answer.read(100)
        postgresql.stop()
        try:
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                answer.read()
        finally:
            postgresql.start()
    line = on_postgresql.wait_for_line(answer.headers["X-Request-ID"])
    assert line["code"] == "history_unavailable"
    wait_until_answered(on_postgresql)
    assert on_postgresql.get("/predictions/export?class=cow").status == 200


def test_a_client_that_leaves_ends_its_export(on_sqlite: LiveServer) -> None:
    """Its turn is free again, and the log says that nobody read to the end."""
    with closing(begin_export(on_sqlite)) as answer:
        answer.read(100)
    line = on_sqlite.wait_for_line(answer.headers["X-Request-ID"])
    assert line["code"] == "client_disconnected"
    assert on_sqlite.get("/predictions/export?class=cow").status == 200


def test_a_table_that_is_lost_is_told(tmp_path: Path) -> None:
    """503 rather than an error that nobody foresaw, with nothing of the database's own words."""
    path = tmp_path / "history.db"
    fill(f"sqlite:///{path}", RECORDS)
    with run_server(
        tmp_path, model="digits", history_url=f"sqlite:///{path}", history_retention_days="0"
    ) as server:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE predictions")
        answer = server.get("/predictions")
        assert is_refused(answer)
        assert b"table" not in answer.body
        assert server.events("unforeseen_error") == []
