"""Entries in a real Redis: shared, expiring, and never waited for long."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.redis_server import free_port, run_redis
from tests.unit.cache.test_cache import KEY as ASKED_KEY
from tests.unit.cache.test_cache import Asking
from topfive.cache import valkey
from topfive.cache.valkey import ValkeyStore
from topfive.predictions import CacheStatus

KEY = bytes(32)


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    """Run a Redis for this module."""
    port = free_port()
    with run_redis(tmp_path_factory.mktemp("redis"), port):
        yield port


@pytest.fixture
def store(redis_port):
    """Open an empty store."""
    opened = ValkeyStore(f"valkey://127.0.0.1:{redis_port}", 60)
    opened._client.flushall()
    yield opened
    opened.close()


def test_what_is_put_is_found_until_it_expires(store):
    """It can be dropped before."""
    assert store.get(KEY) is None
    assert store.put(KEY, b"entry").is_kept
    assert store.get(KEY) == b"entry"
    [name] = store._client.keys("*")
    assert 0 < store._client.ttl(name) <= 60
    store.drop(KEY)
    assert store.get(KEY) is None


def test_a_claim_is_one_machines_at_a_time(store, redis_port, monkeypatch):
    """It ends when it is given up, or soon after its holder has died."""
    monkeypatch.setattr(valkey, "_CLAIM_MS", 300)
    other = ValkeyStore(f"redis://127.0.0.1:{redis_port}", 60)
    assert (store.claim(KEY), other.claim(KEY)) == (True, False)
    store.release(KEY)
    assert other.claim(KEY)
    end_s = time.monotonic() + 10
    while not store.claim(KEY):
        assert time.monotonic() < end_s
        time.sleep(0.01)
    other.close()


def test_machines_that_ask_at_once_find_an_answer_once(redis_port):
    """Of two caches with many threads each, one works."""
    stores = [ValkeyStore(f"redis://127.0.0.1:{redis_port}", 60) for _ in range(2)]
    stores[0]._client.flushall()
    askings = [Asking(one) for one in stores]
    with ThreadPoolExecutor(20) as pool:
        asked = [
            pool.submit(askings[number % 2].ask, work=lambda: time.sleep(0.1))
            for number in range(20)
        ]
        statuses = [one.result()[1] for one in asked]
    assert askings[0].found + askings[1].found == 1
    assert statuses.count(CacheStatus.STORED) == 1
    for one in stores:
        one.close()


def test_something_else_under_its_name_is_a_broken_entry(store):
    """A list is none: it is dropped and found anew, and the store is not taken to be away."""
    asking = Asking(store)
    store._client.lpush("topfive:cache:" + ASKED_KEY.hex(), "one")
    assert [asking.status() for _ in range(2)] == [CacheStatus.STORED, CacheStatus.HIT]
    assert asking.broken == 1


def test_a_server_that_is_away_or_hangs_raises_what_is_foreseen(tmp_path):
    """Within a moment."""
    port = free_port()
    away = ValkeyStore(f"redis://:secret@127.0.0.1:{port}", 60)
    with pytest.raises(away.failures):
        away.get(KEY)
    with run_redis(tmp_path, port) as redis:
        hanging = ValkeyStore(f"redis://127.0.0.1:{port}", 60)
        os.kill(redis.pid, signal.SIGSTOP)
        with pytest.raises(hanging.failures):
            hanging.put(KEY, b"entry")
        hanging.close()
    away.close()
