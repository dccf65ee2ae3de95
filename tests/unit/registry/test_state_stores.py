"""A state is replaced as a whole, by one process after the other, in a file or in Redis."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from filelock import FileLock

from tests.redis_server import free_port, run_redis
from topfive.errors import StateUnavailable
from topfive.predictions import ModelRef
from topfive.registry import atomic_file, state_stores
from topfive.registry.state import DesiredState, format_state
from topfive.registry.state_stores import RedisState, StateFile, open_state_redis

TWO = ModelRef("flowers", "2")


def count(state):
    """Make the state of the next generation, as an order does."""
    return DesiredState(state.generation + 1, active={"flowers": str(state.generation + 1)})


@pytest.fixture
def redis_port(tmp_path):
    """The port of a Redis that runs for one test."""
    port = free_port()
    with run_redis(tmp_path, port):
        yield port


@pytest.fixture(params=["file", "redis"])
def open_store(request, tmp_path):
    """Open the same state, as often as it is called."""
    if request.param == "file":
        yield lambda: StateFile(tmp_path / ".state.json")
        return
    client = open_state_redis(f"valkey://127.0.0.1:{request.getfixturevalue('redis_port')}")
    yield lambda: RedisState(client, "topfive:state")
    client.close()


def test_a_state_that_nobody_wrote_is_the_empty_one(open_store):
    """The settings alone decide then."""
    assert open_store().read() == DesiredState()


def test_all_see_what_one_has_changed(open_store):
    """Also one that has read before."""
    one, other = open_store(), open_store()
    assert other.read().generation == 0
    one.change(count, DesiredState())
    assert one.read() == other.read() == DesiredState(1, active={"flowers": "1"})


def test_changes_at_the_same_time_come_one_after_the_other(open_store):
    """None is lost."""

    def change(_):
        return open_store().change(count, DesiredState()).generation

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(40))) == list(range(1, 41))
    assert open_store().read().generation == 40


def test_a_step_that_raises_changes_nothing(open_store):
    """Nothing is half done, and the next change finds no lock in its way."""
    store = open_store()
    store.change(count, DesiredState())

    def fail(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.change(fail, DesiredState())
    assert store.change(count, DesiredState()).generation == 2


def test_what_a_worker_knows_is_put_back_where_it_was_lost(open_store):
    """Generations do not begin again."""
    store, known = open_store(), DesiredState(7, loaded=frozenset({TWO}))
    assert store.change(lambda state: state, known) == known
    assert open_store().read() == known


def test_a_state_that_is_unchanged_is_not_written(tmp_path):
    """A look at it is no write."""
    store = StateFile(tmp_path / ".state.json")
    store.change(lambda state: state, DesiredState())
    assert not (tmp_path / ".state.json").exists()


def test_a_damaged_file_is_told_and_the_next_order_replaces_it(tmp_path):
    """What workers know is kept."""
    path = tmp_path / ".state.json"
    path.write_bytes(b"{")
    store = StateFile(path)
    with pytest.raises(StateUnavailable, match="Delete it"):
        store.read()
    assert store.change(count, DesiredState(4)).generation == 5
    assert store.read().generation == 5


def test_a_full_disk_leaves_the_former_state(tmp_path, monkeypatch):
    """No part of a file is left either."""
    path = tmp_path / ".state.json"
    store = StateFile(path)
    store.change(count, DesiredState())

    def find_no_room(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "fsync", find_no_room)
    with pytest.raises(StateUnavailable, match="cannot be written: No space left on device"):
        store.change(count, DesiredState())
    monkeypatch.undo()
    assert store.read().generation == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [".state.json", ".state.json.lock"]


def test_a_lock_that_is_never_given_back_is_told(tmp_path, monkeypatch):
    """An order does not wait for ever."""
    monkeypatch.setattr(state_stores, "_LOCK_WITHIN_S", 0.05)
    with (
        FileLock(tmp_path / ".state.json.lock"),
        pytest.raises(StateUnavailable, match="cannot be locked"),
    ):
        StateFile(tmp_path / ".state.json").change(count, DesiredState())


def test_a_folder_that_cannot_be_is_told(tmp_path):
    """With the path and the system's reason."""
    (tmp_path / "file").touch()
    with pytest.raises(StateUnavailable, match=r"file/\.state\.json\.lock cannot be locked"):
        StateFile(tmp_path / "file" / ".state.json").change(count, DesiredState())


def test_a_redis_that_is_away_is_told_without_its_password():
    """What its library says may hold the address with the password."""
    store = RedisState(
        open_state_redis(f"redis://:secret@127.0.0.1:{free_port()}"), "topfive:state"
    )
    for call in (store.read, lambda: store.change(count, DesiredState())):
        with pytest.raises(StateUnavailable) as caught:
            call()
        assert str(caught.value) == (
            "The store of TOPFIVE_MODEL_STATE does not answer (ConnectionError)."
        )


def test_a_redis_that_hangs_is_not_waited_for_long(tmp_path, monkeypatch):
    """An order gets its answer all the same."""
    monkeypatch.setattr(state_stores, "_REDIS_TIMEOUT_S", 0.2)
    port = free_port()
    with run_redis(tmp_path, port) as redis, _stopped(redis.pid):
        client = open_state_redis(f"redis://127.0.0.1:{port}")
        with pytest.raises(StateUnavailable, match="TimeoutError"):
            RedisState(client, "topfive:state").read()
        client.close()


def test_a_redis_key_that_holds_something_else_is_told(redis_port):
    """Its name is said, and what can be done."""
    client = open_state_redis(f"redis://127.0.0.1:{redis_port}")
    client.set("topfive:state", b"[1]")
    with pytest.raises(StateUnavailable, match="The key topfive:state does not hold"):
        RedisState(client, "topfive:state").read()
    client.close()


def test_the_file_can_be_read_by_a_person(tmp_path):
    """It is JSON of one fact a line."""
    assert format_state(DesiredState(3)).splitlines()[1] == b' "generation": 3,'


@contextmanager
def _stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
