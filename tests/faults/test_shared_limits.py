"""The rate limit across machines, and while its store is away."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg
from tests.redis_server import free_port, run_redis


def statuses(servers: list[LiveServer], count: int) -> list[int]:
    """Send pictures to the servers in turn, four at a time."""

    def send(number: int) -> int:
        return servers[number % len(servers)].upload(jpeg()).status

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(send, range(count)))


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
def test_machines_count_together(scheme: str, tiny_folder: Path, tmp_path: Path) -> None:
    """Two services with two workers each, and one Redis, let exactly the quota in."""
    port = free_port()
    settings = {
        "model": str(tiny_folder), "workers": "2", "rate_limit": "40/hour",
        "rate_limit_storage": f"{scheme}://127.0.0.1:{port}",
    }  # fmt: skip
    with (
        run_redis(tmp_path, port),
        run_server(tmp_path, **settings) as one,
        run_server(tmp_path, **settings) as two,
    ):
        found = statuses([one, two], 60)
        assert sorted(set(found)) == [200, 429]
        assert found.count(200) == 40


def test_an_outage_lets_everyone_in(tiny_folder: Path, tmp_path: Path) -> None:
    """Redis is not there, comes, goes and comes back: told once each time, and nobody waits."""
    port = free_port()
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour",
        rate_limit_storage=f"redis://:secret-word@127.0.0.1:{port}",
    ) as server:  # fmt: skip
        assert statuses([server], 10) == [200] * 10
        assert len(server.events("rate_limit_store_down")) == 1
        assert "secret-word" not in "".join(server.lines)
        told = server.get("/metrics").body.decode()
        assert "topfive_rate_limit_store_errors_total 10.0" in told


def test_limits_hold_again_after_an_outage(tiny_folder: Path, tmp_path: Path) -> None:
    """Without any restart the quota is kept once the store is back."""
    port = free_port()
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour",
        rate_limit_storage=f"redis://127.0.0.1:{port}",
    ) as server:  # fmt: skip
        with run_redis(tmp_path, port):
            assert statuses([server], 5).count(429) == 2
        assert statuses([server], 5) == [200] * 5
        with run_redis(tmp_path, port):
            end_s = time.monotonic() + 20
            while not server.events("rate_limit_store_back"):
                assert time.monotonic() < end_s
                server.upload(jpeg())
                time.sleep(0.2)
            assert 429 in statuses([server], 5)
        assert len(server.events("rate_limit_store_down")) == 1


def test_a_store_that_hangs_holds_nobody(tiny_folder: Path, tmp_path: Path) -> None:
    """A store that takes connections and never answers costs one short wait, not one a request."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with run_server(
            tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour",
            rate_limit_storage=f"redis://127.0.0.1:{port}",
        ) as server:  # fmt: skip
            assert statuses([server], 40) == [200] * 40
            assert len(server.events("rate_limit_store_down")) == 1
            slow = [line for line in server.events("request") if line["duration_ms"] > 200]
            assert len(slow) <= 8


def test_a_store_that_freezes_holds_nobody(tiny_folder: Path, tmp_path: Path) -> None:
    """A Redis that stops answering while it is in use is told of once, and lets everyone in."""
    port = free_port()
    with (
        run_redis(tmp_path, port) as redis,
        run_server(
            tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour",
            rate_limit_storage=f"redis://127.0.0.1:{port}",
        ) as server,
    ):  # fmt: skip
        assert statuses([server], 5).count(429) == 2
        redis.send_signal(signal.SIGSTOP)
        assert statuses([server], 10) == [200] * 10
        assert len(server.events("rate_limit_store_down")) == 1


def test_counters_that_are_broken_let_everyone_in(tiny_folder: Path, tmp_path: Path) -> None:
    """A file that is no LMDB stops neither the start nor predictions."""
    folder = tmp_path / "counters"
    folder.mkdir()
    (folder / "data.mdb").write_text("no database")
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="2/hour",
        rate_limit_storage=f"lmdb://{folder}",
    ) as server:  # fmt: skip
        assert statuses([server], 6) == [200] * 6
        assert len(server.events("rate_limit_store_down")) == 1
