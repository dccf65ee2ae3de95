"""An outage of the store is no failure: it is told of once, counted, and looked at now and then."""

from dataclasses import dataclass, field

import pytest

from tests.unit.cache.samples import MemoryStore
from topfive import circuit_breaker
from topfive.cache.guarded import CacheEvents, GuardedStore
from topfive.circuit_breaker import RETRY_EVERY_S

KEY = bytes(32)


@dataclass
class Notes:
    """What a guarded store has told."""

    told: list[str] = field(default_factory=list)
    errors: int = 0
    evicted: int = 0

    def events(self):
        """Make the events that write into these notes."""
        return CacheEvents(
            self.told.append, lambda: self.told.append("back"), self._error, on_evicted=self._evict
        )

    def _error(self):
        self.errors += 1

    def _evict(self, count):
        self.evicted += count


@pytest.fixture
def clock(monkeypatch):
    """Set the clock of circuit breakers by hand."""
    now = [100.0]
    monkeypatch.setattr(circuit_breaker, "monotonic", lambda: now[0])
    return now


def test_an_outage_is_told_once_and_tried_again_later(clock):
    """Nothing is found and nothing kept meanwhile; one call in a while waits for the store."""
    store, notes = MemoryStore(failing={"get", "put", "claim", "release"}), Notes()
    guarded = GuardedStore(store, notes.events())
    for _ in range(5):
        assert guarded.get(KEY) is None
        assert guarded.claim(KEY)
        guarded.release(KEY)
        assert not guarded.put(KEY, b"entry")
    assert store.asked == ["get"]
    assert notes.told == ["KeyError"]
    assert notes.errors == 10
    store.failing.clear()
    assert guarded.get(KEY) is None
    clock[0] += RETRY_EVERY_S
    assert guarded.get(KEY) is None
    assert guarded.put(KEY, b"entry")
    assert guarded.get(KEY) == b"entry"
    assert notes.told == ["KeyError", "back"]


def test_a_store_that_is_full_can_still_be_read(clock):
    """Its writes alone are left out, and it is told of once."""
    store, notes = MemoryStore({KEY: b"entry"}, failing={"put"}), Notes()
    guarded = GuardedStore(store, notes.events())
    for _ in range(5):
        assert not guarded.put(bytes(31) + b"1", b"other")
        assert guarded.get(KEY) == b"entry"
    assert store.asked.count("put") == 1
    assert notes.told == ["KeyError"]
    store.failing.clear()
    clock[0] += RETRY_EVERY_S
    assert guarded.put(KEY, b"other")
    assert notes.told == ["KeyError", "back"]


def test_no_secret_is_told():
    """The error's text may hold the address with its password."""
    notes = Notes()
    GuardedStore(MemoryStore(failing={"get"}), notes.events()).get(KEY)
    assert "secret" not in "".join(notes.told)


def test_evictions_and_bytes_are_told():
    """As the store tells them; without it nothing is known."""
    store, notes = MemoryStore(evicted=3), Notes()
    guarded = GuardedStore(store, notes.events())
    assert guarded.put(KEY, b"entry")
    assert (notes.evicted, guarded.used_bytes()) == (3, 5)
    store.failing.add("get")
    guarded.get(KEY)
    assert guarded.used_bytes() == 0
