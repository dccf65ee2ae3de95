"""A wall clock that jumps wedges nothing: time spans are measured on the monotonic clock."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from tests.live_server import Answer, LiveServer, run_server
from tests.pictures import jpeg

DAY_S = 86_400
# libfaketime 0.9.10 refuses Python's time.sleep where the monotonic clock stays the true one.
SERVER = """
import select, time
from topfive.cli import main

time.sleep = lambda duration_s: select.select([], [], [], duration_s)
main()
"""
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class WallClock:
    """The wall clock that a server sees; its monotonic clock stays the true one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Let the server's clock differ from the true one by so many seconds from now on."""
        # Renamed into place, so that no process ever reads half of it.
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{offset_s:+d}\n")
        beside.rename(self._file)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WallClock:
    """A clock for servers that are started in this test."""
    if not LIBRARIES:
        pytest.skip("Install the Debian package faketime to run this.")
    (tmp_path / "clocked.py").write_text(SERVER)
    file = tmp_path / "clock"
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARIES[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(file))
    monkeypatch.setenv("FAKETIME_CACHE_DURATION", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    # Gunicorn keeps its heartbeats, from the monotonic clock, as times of a file.
    monkeypatch.setenv("NO_FAKE_STAT", "1")
    return WallClock(file)


@contextmanager
def run_clocked(folder: Path, model: Path, rate_limit: str) -> Iterator[LiveServer]:
    """Run a server that sees the clock in its folder."""
    with run_server(
        folder, module="clocked", model=str(model), workers="2", rate_limit=rate_limit
    ) as server:
        yield server


def jump(server: LiveServer, clock: WallClock, offset_s: int) -> None:
    """Set the server's clock and wait until every worker has seen it."""
    clock.set(offset_s)
    seen_in_a_row = 0
    end_s = time.monotonic() + 20
    while seen_in_a_row < 20:
        at = datetime.fromisoformat(server.get("/health").json["timestamp"])
        away = abs(at - datetime.now(UTC) - timedelta(seconds=offset_s))
        seen_in_a_row = seen_in_a_row + 1 if away < timedelta(minutes=1) else 0
        assert time.monotonic() < end_s, "the server does not see the clock that was set"
        time.sleep(0.02)


@contextmanager
def load(server: LiveServer) -> Iterator[list[int]]:
    """Post pictures from two clients while the block runs; their statuses are there after it."""
    statuses: list[int] = []
    stop = Event()

    def send() -> None:
        while not stop.is_set():
            statuses.append(server.upload(jpeg()).status)

    with ThreadPoolExecutor(2) as pool:
        clients = [pool.submit(send) for _ in range(2)]
        try:
            yield statuses
        finally:
            stop.set()
    for client in clients:
        client.result()


def reset_s(answer: Answer) -> int:
    """Read after how many seconds the client's quota is new."""
    return int(answer.headers["RateLimit-Reset"])


def test_jumps_wedge_nothing(tiny_folder: Path, tmp_path: Path, clock: WallClock) -> None:
    """A day forward and two days back under load: all is answered, by the same workers."""
    with run_clocked(tmp_path, tiny_folder, "100000/minute") as server:
        before = server.worker_pids()
        with load(server) as statuses:
            for offset_s in (DAY_S, -DAY_S, 0):
                jump(server, clock, offset_s)
                count = len(statuses)
                assert 1 <= reset_s(server.upload(jpeg())) <= 60
                assert 0 <= server.get("/health").json["uptime_seconds"] < 60
                assert server.get("/readyz").status == 200
                time.sleep(0.3)
                assert len(statuses) > count
        assert set(statuses) == {200}
        assert server.worker_pids() == before
    assert not [line for line in server.lines if "TIMEOUT" in line or "Traceback" in line]


def test_jumps_neither_give_nor_take_quota(
    tiny_folder: Path, tmp_path: Path, clock: WallClock
) -> None:
    """A client that has used up its minute waits for it, and no longer, whatever the clock says."""
    with run_clocked(tmp_path, tiny_folder, "3/minute") as server:
        assert [server.upload(jpeg()).status for _ in range(4)] == [200, 200, 200, 429]
        for offset_s in (DAY_S, -DAY_S):
            jump(server, clock, offset_s)
            refused = server.upload(jpeg())
            assert (refused.status, refused.code) == (429, "rate_limited")
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
