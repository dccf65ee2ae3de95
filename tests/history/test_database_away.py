"""Whatever its database does, a service answers, and writes later what it could keep."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import pytest

from tests.history.serving import (
    dropped,
    kept_records,
    migrate,
    predict,
    predict_many,
    told,
    wait_until,
    written,
)
from tests.live_server import LiveServer, run_server
from tests.postgresql_server import PostgresqlServer

# The least that can be set.
QUEUE = 100
# A server with a small disk of its own, which ends with it, and on it a copy of the database.
SEAL = 'mount -t tmpfs -o size=8m none "$0" && cp "$0/../history.db" "$0" && exec "$@"'
SEALED = ["unshare", "--mount", "sh", "-c", SEAL]
SERVER = """
import os, sys

command = [*{sealed!r}, {disk!r}, sys.executable, "-m", "topfive", "serve"]
os.execvp(command[0], command)
"""


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a SQLite file with the newest schema."""
    return migrate(f"sqlite:///{tmp_path}/history.db")


@contextmanager
def keeping(folder: Path, url: str, **settings: str) -> Iterator[LiveServer]:
    """Run one worker that keeps a history in a database, until the block ends."""
    given = {"model": "digits", "history_url": url, "history_queue": str(QUEUE)} | settings
    with run_server(folder, **given) as server:
        yield server


@contextmanager
def stopped(postgresql: PostgresqlServer) -> Iterator[None]:
    """Keep a server away until the block ends."""
    postgresql.stop()
    try:
        yield
    finally:
        postgresql.start()


def wait_for_event(server: LiveServer, event: str, count: int = 1) -> dict[str, object]:
    """Wait until something was logged for the `count`th time; returns the last one."""
    wait_until(lambda: len(server.events(event)) >= count, f"{event} in the log")
    assert len(server.events(event)) == count
    return server.events(event)[-1]


def ids_of(url: str) -> set[UUID]:
    """Give the ids of all that is kept."""
    return {one.id for one in kept_records(url)}


def test_while_a_file_is_locked_predictions_wait(sqlite_url: str, tmp_path: Path) -> None:
    """They are answered and written later; an outage and its end are one line each."""
    path = sqlite_url.removeprefix("sqlite:///")
    with keeping(tmp_path, sqlite_url) as server:
        answered = {predict(server)}
        wait_until(lambda: written(server) == 1, "the first one")
        with closing(sqlite3.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            answered |= {predict(server) for _ in range(10)}
            reason = wait_for_event(server, "history_down")["reason"]
            answered |= {predict(server) for _ in range(10)}
            assert told(server, "topfive_history_queue") >= 20
            other.rollback()
        wait_for_event(server, "history_back")
        wait_until(lambda: written(server) == 21, "all of them")
    assert "is locked" in str(reason)
    assert str(tmp_path) not in "".join(server.lines)
    assert ids_of(sqlite_url) == answered
    assert server.events("history_dropped") == []


def test_what_the_queue_does_not_hold_is_counted(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """While a server is away so many wait; when it is back those are written, and the log has how
    many are missing.
    """
    url = migrate(postgresql.make_database())
    with ExitStack() as stack:
        away = stack.enter_context(ExitStack())
        away.enter_context(stopped(postgresql))
        # It is away from the start, which stops nothing.
        server = stack.enter_context(keeping(tmp_path, url))
        requests = {predict_many(server, 60), predict_many(server, 60)}
        wait_for_event(server, "history_down")
        assert dropped(server, "queue_full") == 20
        assert wait_for_event(server, "history_queue_full")["waiting"] == QUEUE
        assert told(server, "topfive_history_queue") == QUEUE
        away.close()
        wait_for_event(server, "history_back")
        lost = wait_for_event(server, "history_dropped")
        assert (lost["reason"], lost["count"]) == ("queue_full", 20)
        wait_until(lambda: written(server) == QUEUE, "what waited")
        later = predict(server)
    kept = kept_records(url)
    assert len(kept) == QUEUE + 1
    assert kept[-1].id == later
    assert {one.request_id for one in kept[:-1]} == requests


def test_a_server_that_hangs_keeps_nobody_waiting(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """It takes connections and answers nothing."""
    url = migrate(postgresql.make_database())
    with keeping(tmp_path, url) as server:
        answered = {predict(server)}
        wait_until(lambda: written(server) == 1, "the first one")
        postgresql.hang()
        try:
            answered |= {predict(server) for _ in range(10)}
            wait_for_event(server, "history_down")
            answered |= {predict(server) for _ in range(10)}
        finally:
            postgresql.go_on()
        wait_until(lambda: written(server) == 21, "all of them")
    assert ids_of(url) == answered


def test_a_database_that_may_only_be_read_is_no_failure(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """The log says so, and what waited is written when it may be."""
    url = migrate(postgresql.make_database())
    name = url.rpartition("/")[2]
    postgresql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with keeping(tmp_path, url) as server:
        answered = {predict(server)}
        assert "read-only" in str(wait_for_event(server, "history_down")["reason"])
        postgresql.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        postgresql.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        wait_for_event(server, "history_back")
    assert ids_of(url) == answered


def test_a_worker_ends_though_its_database_is_dead(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    """What it could not write is counted as lost, and the exit code is that of any end."""
    url = migrate(postgresql.make_database())
    with keeping(tmp_path, url) as server, stopped(postgresql):
        predict_many(server, 7)
        wait_for_event(server, "history_down")
        assert server.stop() == 0
    (lost,) = server.events("history_dropped")
    assert (lost["reason"], lost["count"]) == ("stopping", 7)
    assert kept_records(url) == []


def fill(path: Path) -> None:
    """Write to a file until its disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_is_no_failure(sqlite_url: str, tmp_path: Path) -> None:
    """What waited is written when there is space again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run([*SEALED, disk, "true"], check=False, capture_output=True).returncode:
        pytest.skip("Mounting in a namespace of its own is not permitted here.")
    (tmp_path / "sealed.py").write_text(SERVER.format(sealed=SEALED, disk=str(disk)))
    with keeping(tmp_path, f"sqlite:///{disk}/history.db", module="sealed") as server:
        # As the server sees it, whose disk this is alone.
        seen = Path(f"/proc/{server.process.pid}/root{disk}")
        predict_many(server, 10)
        wait_until(lambda: written(server) == 10, "what found space")
        fill(seen / "full")
        for _ in range(4):
            predict_many(server, 20)
        assert "full" in str(wait_for_event(server, "history_down")["reason"])
        (seen / "full").unlink()
        wait_until(lambda: written(server) == 90, "what waited")
        shutil.copytree(seen, tmp_path / "copy")
    assert len(kept_records(f"sqlite:///{tmp_path}/copy/history.db")) == 90
    assert kept_records(sqlite_url) == []
