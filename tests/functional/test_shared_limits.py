"""The rate limit across machines, and while its store is away."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
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


@pytest.mark.parametrize(
    "uri", ["mongodb://x", "localhost:6379", "redis//x", "redis://:se:cr/et@h"]
)
def test_a_store_that_is_unknown_stops_the_start(uri: str, tmp_path: Path) -> None:
    """The message names the setting and what it may be, and not the value, which may be secret."""
    with (
        pytest.raises(AssertionError) as stopped,
        run_server(tmp_path, model="digits", rate_limit_storage=uri),
    ):
        pass
    assert "TOPFIVE_RATE_LIMIT_STORAGE: " in str(stopped.value)
    assert uri not in str(stopped.value)


@pytest.mark.parametrize(
    ("hops", "forwarded", "allowed"),
    [
        ("0", ["1.1.1.{}"], 2),
        ("1", ["1.1.1.{}, 9.9.9.9"], 2),
        ("1", ["9.9.9.{}"], 6),
        ("2", ["6.6.6.{}, 9.9.9.9, 8.8.8.8"], 2),
        ("1", ["2001:db8:0:1::{}"], 2),
        ("1", ["2001:db8:0:{}::1"], 6),
    ],
)
def test_who_is_one_client(
    hops: str, forwarded: list[str], allowed: int, tiny_folder: Path, tmp_path: Path
) -> None:
    """What callers write into X-Forwarded-For changes nothing; what trusted proxies write, does."""
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="2/hour", trusted_proxies=hops
    ) as server:
        found = [
            server.upload(jpeg(), headers={"X-Forwarded-For": forwarded[0].format(number)}).status
            for number in range(1, 7)
        ]
    log = "\n".join(server.lines)
    assert found.count(200) == allowed
    # A refusal is a line in the log, the caller's address is not.
    assert '"code": "rate_limited"' in log or allowed == 6
    assert not [one for one in ("9.9.9", "1.1.1.", "2001:db8", "20010db8") if one in log]


def test_wrong_keys_cost_nobody_else(tiny_folder: Path, tmp_path: Path) -> None:
    """Guessing is limited, good keys have a quota each, and a preflight costs nothing."""
    keys = ",".join(sha256(key).hexdigest() for key in (b"one", b"two"))
    with run_server(
        tmp_path, model=str(tiny_folder), workers="1", rate_limit="3/hour", api_keys=keys
    ) as server:

        def send(key: str) -> int:
            return server.upload(jpeg(), headers={"X-API-Key": key}).status

        assert [send(f"guess-{number}") for number in range(5)] == [401] * 3 + [429] * 2
        assert server.request("OPTIONS", "/predict").status == 200
        assert [send("one") for _ in range(4)] == [200] * 3 + [429]
        # A wrong query is not told before the key is right.
        assert server.upload(jpeg(), path="/predict?top_k=x").status == 401
        assert [send("two") for _ in range(4)] == [200] * 3 + [429]
        log = "\n".join(server.lines)
    assert not [digest for digest in keys.split(",") if digest in log]


def test_a_header_alone_makes_no_new_client(tiny_folder: Path, tmp_path: Path) -> None:
    """Where no keys are set, sending some gives nobody a further quota."""
    with run_server(tmp_path, model=str(tiny_folder), workers="1", rate_limit="2/hour") as server:
        found = [
            server.upload(jpeg(), headers={"X-API-Key": str(number)}).status for number in range(4)
        ]
    assert found == [200, 200, 429, 429]
