"""Of the workers of a machine one looks what the store has."""

from threading import Event
from time import sleep

import pytest

from topfive.concurrency.backoff import Backoff
from topfive.errors import OperatorError, StoreUnreachable
from topfive.registry import store_watch
from topfive.registry.store_watch import StoreWatch, WatchOptions

LATE_S = 30.0


class Store:
    """Notes each look, and fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.looks = 0
        self.age: float | None = None
        self.told: list[tuple[str, float]] = []
        self.is_listed = Event()

    def age_s(self) -> float | None:
        """Tell how old the list is said to be."""
        return self.age

    def look(self) -> None:
        """Fail with the next failure, or list."""
        self.looks += 1
        if self.failures:
            raise self.failures.pop(0)
        self.is_listed.set()

    def tell(self, error: OperatorError, wait_s: float) -> None:
        """Note a failure."""
        self.told.append((str(error), wait_s))


@pytest.fixture
def watch(tmp_path):
    """Starts to watch a store, which ends with the test."""
    started = []

    def start(store: Store, ttl_s: float = 60) -> StoreWatch:
        backoff = Backoff(0.001, 2.0, 0.003, jitter=0.0)
        options = WatchOptions(tmp_path / "models", ttl_s, backoff)
        one = StoreWatch(store, store.look, store.tell, options)
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()
        one._thread.join(LATE_S)
        assert not one._thread.is_alive()


def test_a_store_is_listed_at_once_and_again(watch):
    """Without a list there is one at once, and another each time it is too old."""
    store = Store()
    watch(store, ttl_s=0.01)
    assert store.is_listed.wait(LATE_S)
    store.is_listed.clear()
    assert store.is_listed.wait(LATE_S)


def test_a_young_list_is_left(watch):
    """What another worker listed a moment ago is not listed again."""
    store = Store()
    store.age = 1.0
    watch(store)
    sleep(0.1)
    assert store.looks == 0


def test_failures_are_told_and_got_over(watch):
    """A store that is down is asked again after longer and longer waits, whatever went wrong."""
    store = Store(StoreUnreachable("one"), ValueError("two"), StoreUnreachable("three"))
    watch(store)
    assert store.is_listed.wait(LATE_S)
    assert store.told == [("one", 0.001), ("ValueError: two", 0.002), ("three", 0.003)]


def test_one_worker_looks_and_another_takes_over(watch, monkeypatch):
    """Only who has the lock looks; when it ends, another does."""
    monkeypatch.setattr(store_watch, "_TAKE_OVER_S", 0.01)
    first, second = Store(), Store()
    looking = watch(first)
    assert first.is_listed.wait(LATE_S)
    watch(second)
    sleep(0.1)
    assert second.looks == 0
    looking.stop()
    assert second.is_listed.wait(LATE_S)


def test_stopping_what_never_began_is_fine(tmp_path):
    """A watch may be stopped before it is started."""
    store = Store()
    options = WatchOptions(tmp_path, 60, Backoff())
    StoreWatch(store, store.look, store.tell, options).stop()
