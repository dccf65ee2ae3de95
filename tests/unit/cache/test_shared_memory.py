"""Entries in memory that workers share: bounded, least used first to go, and never in the way."""

import os
import random
import resource
import signal
import time
from hashlib import sha256
from pathlib import Path

import lmdb
import pytest

from tests.unit.cache.children import call_child, start_child
from topfive.cache import shared_memory
from topfive.cache.limits import LEAST_BYTES
from topfive.cache.shared_memory import SharedMemoryStore

WITHIN_S = 30


@pytest.fixture
def store(tmp_path):
    """Open a store of the smallest size, with its files."""
    with_files = SharedMemoryStore(tmp_path, LEAST_BYTES)
    with_files.prepare()
    yield with_files
    with_files.close()


def key_of(number):
    """Make a key as digests are: all over the place."""
    return sha256(str(number).encode()).digest()


def file_bytes(folder):
    """Tell how long the file is."""
    return (folder / "topfive-answers.mdb").stat().st_size


def test_what_is_put_is_found_and_can_be_dropped(store):
    """An entry is as it was; putting it again replaces it."""
    assert store.get(key_of(1)) is None
    assert store.put(key_of(1), b"one").is_kept
    assert store.put(key_of(1), b"another one").is_kept
    assert store.get(key_of(1)) == b"another one"
    store.drop(key_of(1))
    store.drop(key_of(1))
    assert store.get(key_of(1)) is None


@pytest.mark.parametrize("sizes", [(300, 300), (6000, 15_000), (50, 15_000)])
def test_bytes_are_bounded(sizes, store, tmp_path):
    """Of three times as much as there is room for, each entry is kept for a while."""
    drawn = random.Random(5)
    put_bytes, number, kept = 0, 0, 0
    while put_bytes < 3 * LEAST_BYTES:
        entry = drawn.randbytes(drawn.randint(*sizes))
        kept += store.put(key_of(number), entry).is_kept
        assert store.get(key_of(number)) == entry
        put_bytes, number = put_bytes + len(entry), number + 1
    assert kept == number
    assert file_bytes(tmp_path) <= LEAST_BYTES
    held = sum(len(store.get(key_of(one)) or b"") for one in range(number))
    assert held > LEAST_BYTES * 0.3
    assert store.used_bytes() <= LEAST_BYTES


def test_evictions_are_told(store):
    """What is put is what is there, or was evicted."""
    evicted = sum(store.put(key_of(one), bytes(400)).evicted for one in range(20_000))
    left = sum(store.get(key_of(one)) is not None for one in range(20_000))
    assert left + evicted == 20_000
    assert left > 3000


def test_what_is_used_stays(store, monkeypatch):
    """Of many entries that come and go, those that are asked for now and then are not evicted."""
    clock_s = 1000.0
    monkeypatch.setattr(shared_memory.time, "monotonic", lambda: clock_s)
    liked = [key_of(-one) for one in range(1, 51)]
    for key in liked:
        store.put(key, bytes(400))
    for number in range(20_000):
        clock_s += 0.01
        store.put(key_of(number), bytes(400))
        if number % 200 == 0:
            for key in liked:
                store.get(key)
    assert sum(store.get(key) is not None for key in liked) >= 48
    assert store.get(key_of(10)) is None


def test_a_very_large_entry_is_not_kept(store):
    """It would push out a good part of all others."""
    store.put(key_of(1), b"one")
    assert not store.put(key_of(2), bytes(LEAST_BYTES // 4)).is_kept
    assert store.get(key_of(1)) == b"one"


def test_a_file_that_finds_no_space_fails_without_a_signal(store, tmp_path):
    """A full /dev/shm is an error that can be counted; what is there can still be read."""
    store.put(key_of(1), b"one")
    store.close()
    assert call_child(fill_without_space, tmp_path) == "one"
    assert store.get(key_of(1)) == b"one"


def fill_without_space(folder):
    """Put more than the file may grow by."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = SharedMemoryStore(Path(folder), LEAST_BYTES)
    most = file_bytes(Path(folder)) + 64 * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    failed = 0
    for number in range(2, 2000):
        try:
            store.put(key_of(number), bytes(400))
        except SharedMemoryStore.failures:
            failed += 1
    assert failed > 500
    return store.get(key_of(1)).decode()


def test_a_killed_process_leaves_a_whole_store(tmp_path):
    """Whatever it was writing: others read and write on, and its claims are free."""
    store = SharedMemoryStore(tmp_path, LEAST_BYTES)
    store.prepare()
    for _ in range(3):
        with start_child(write_for_ever, tmp_path) as child:
            _wait_until(lambda: not _can_claim(store, key_of(-1)))
            time.sleep(0.05)
            child.kill()
        assert _can_claim(store, key_of(-1))
        for number in range(6000):
            assert store.put(key_of(number), bytes(300)).is_kept
            assert store.get(key_of(number)) == bytes(300)
    store.close()


def write_for_ever(folder):
    """Put one entry after the other, until killed."""
    store = SharedMemoryStore(Path(folder), LEAST_BYTES)
    # A reader that never ends holds on to the pages that it might still read.
    reader = store._environment.begin()
    reader.get(key_of(0))
    assert store.claim(key_of(-1))
    number = 0
    while True:
        number += 1
        try:
            store.put(key_of(number % 50_000), bytes(300))
        except lmdb.MapFullError:
            time.sleep(0.01)


def test_a_claim_is_one_process_at_a_time(store, tmp_path):
    """It is free again when it is given up."""
    assert store.claim(key_of(1))
    assert call_child(claims, tmp_path) == "(False, True)"
    store.release(key_of(1))
    assert call_child(claims, tmp_path) == "(True, True)"


def claims(folder):
    """Tell whether two keys can be claimed."""
    store = SharedMemoryStore(Path(folder), LEAST_BYTES)
    return store.claim(key_of(1)), store.claim(key_of(2))


def test_a_broken_file_raises_what_is_foreseen(tmp_path):
    """It is no database: that is an outage, and no failed start."""
    (tmp_path / "topfive-answers.mdb").write_text("no database")
    store = SharedMemoryStore(tmp_path, LEAST_BYTES)
    with pytest.raises(SharedMemoryStore.failures):
        store.get(key_of(1))
    with pytest.raises(SharedMemoryStore.failures):
        store.put(key_of(1), b"one")


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_file_that_is_cut_off_is_made_anew(part, store, tmp_path):
    """Reading what it has no longer would end the process that reads."""
    for number in range(200):
        store.put(key_of(number), bytes(400))
    store.close()
    path = tmp_path / "topfive-answers.mdb"
    os.truncate(path, int(path.stat().st_size * part))
    assert call_child(prepare_and_count, tmp_path) == "0"


def test_a_file_of_before_the_machine_started_is_made_anew(store, tmp_path):
    """Nobody knows which of its pages a power cut has left; without one it stays."""
    store.put(key_of(1), b"one")
    store.close()
    assert call_child(prepare_and_count, tmp_path) == "1"
    (tmp_path / "topfive-answers.boot").write_text("another start")
    assert call_child(prepare_and_count, tmp_path) == "0"


def prepare_and_count(folder):
    """Begin as the service does, and count which of the first answers are there."""
    store = SharedMemoryStore(Path(folder), LEAST_BYTES)
    store.prepare()
    return sum(store.get(key_of(number)) is not None for number in range(200))


def test_a_record_of_somebody_else_raises_what_is_foreseen(store):
    """It is too short to hold when it was used."""
    with store._environment.begin(write=True) as transaction:
        transaction.put(key_of(1), b"x")
    with pytest.raises(SharedMemoryStore.failures):
        store.get(key_of(1))


def _can_claim(store, key):
    is_ours = store.claim(key)
    if is_ours:
        store.release(key)
    return is_ours


def _wait_until(is_so):
    end_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.005)
