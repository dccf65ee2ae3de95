"""A cache that machines share, while its store is away and while others write into it."""

from pathlib import Path

from tests.functional.test_cache import (
    HIT,
    NOT_STORED,
    STORED,
    found_in,
    logged,
    metric,
    picture,
    status_of,
)
from tests.live_server import run_server
from tests.redis_server import free_port, run_redis


def test_machines_share_answers(tiny_folder: Path, tmp_path: Path) -> None:
    """What one has found, another answers with; without the store both go on classifying."""
    port = free_port()
    settings = {"model": str(tiny_folder), "cache_url": f"valkey://127.0.0.1:{port}"}
    with (
        run_redis(tmp_path, port) as redis,
        run_server(tmp_path, **settings) as one,
        run_server(tmp_path, **settings) as two,
    ):
        assert status_of(one.upload(picture(1))) == STORED
        assert status_of(two.upload(picture(1))) == HIT
        redis.terminate()
        redis.wait()
        assert {status_of(two.upload(picture(1))) for _ in range(3)} == {NOT_STORED}
        assert logged(two, "cache_down") == 1


def test_a_store_that_is_away_is_told_once_and_without_its_password(
    tiny_folder: Path, tmp_path: Path
) -> None:
    """Every picture is classified, and answers come from it once it is there."""
    port = free_port()
    with run_server(
        tmp_path, model=str(tiny_folder), cache_url=f"redis://:secret-word@127.0.0.1:{port}"
    ) as server:
        assert [status_of(server.upload(picture(1))) for _ in range(3)] == [NOT_STORED] * 3
        assert logged(server, "cache_down") == 1
        assert "secret-word" not in "".join(server.lines)
        assert metric(server, "topfive_cache_errors_total") > 0


def test_a_poisoned_entry_is_dropped_and_counted(tiny_folder: Path, tmp_path: Path) -> None:
    """Whoever writes something else into the store changes no answer."""
    from redis import Redis

    port = free_port()
    with (
        run_redis(tmp_path, port),
        run_server(
            tmp_path, model=str(tiny_folder), cache_url=f"redis://127.0.0.1:{port}"
        ) as server,
        Redis(port=port) as client,
    ):
        right = found_in(server.upload(picture(1)))
        [name] = client.keys("topfive:cache:*")
        entry = client.get(name)
        for poison in (b"", entry[:40], entry[:-1] + b"x", entry[:16] + b"{}"):
            client.set(name, poison)
            answer = server.upload(picture(1))
            assert (status_of(answer), found_in(answer)) == (STORED, right)
        assert metric(server, "topfive_cache_broken_entries_total") >= 4
        assert logged(server, "cache_entry_dropped", 4) >= 4
