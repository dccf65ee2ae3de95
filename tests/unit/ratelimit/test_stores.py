"""A store that fails lets everyone in, is told of once, and is asked again only now and then."""

from dataclasses import dataclass, field

import pytest
from limits.storage import Storage

from topfive import circuit_breaker, redis_client
from topfive.circuit_breaker import RETRY_EVERY_S
from topfive.ratelimit.counters import SCHEME, SharedCounters
from topfive.ratelimit.stores import CircuitBreakerStore, StoreEvents, check_store_uri


class BrokenStore(Storage):
    """A store that fails while it is told to, and notes how often it was asked."""

    STORAGE_SCHEME = None

    def __init__(self):
        super().__init__()
        self.is_away = True
        self.asked = 0

    @property
    def base_exceptions(self):
        """What it raises while it is away."""
        return KeyError

    def incr(self, key, expiry, amount=1):
        """Count, or fail."""
        self.asked += 1
        if self.is_away:
            raise KeyError("redis://:secret@host")
        return 7

    get = get_expiry = check = reset = clear = incr


@dataclass
class Notes:
    """What a circuit breaker has told."""

    told: list[str] = field(default_factory=list)
    uncounted: int = 0

    def events(self):
        """Make the events that write into these notes."""
        return StoreEvents(self.told.append, lambda: self.told.append("back"), self._count)

    def _count(self):
        self.uncounted += 1


def test_an_outage_is_told_once_and_tried_again_later(monkeypatch):
    """Calls pass uncounted meanwhile; only one in a while waits for the store."""
    now_s = 100.0
    monkeypatch.setattr(circuit_breaker, "monotonic", lambda: now_s)
    broken, notes = BrokenStore(), Notes()
    breaker = CircuitBreakerStore("", store=broken, events=notes.events())
    assert [breaker.incr("key", 60) for _ in range(5)] == [0] * 5
    assert (broken.asked, notes.uncounted, notes.told) == (1, 5, ["KeyError"])
    now_s += RETRY_EVERY_S
    assert [breaker.incr("key", 60) for _ in range(5)] == [0] * 5
    assert (broken.asked, notes.uncounted, notes.told) == (2, 10, ["KeyError"])
    broken.is_away = False
    now_s += RETRY_EVERY_S
    assert [breaker.incr("key", 60) for _ in range(5)] == [7] * 5
    assert (notes.uncounted, notes.told) == (10, ["KeyError", "back"])


@pytest.mark.parametrize("is_file", [True, False])
def test_counters_that_cannot_be_opened_let_everyone_in(is_file, tmp_path):
    """A broken file, or none that could be made, is an outage and not a failed start."""
    folder = tmp_path / "counters" if is_file else tmp_path / "not" / "there"
    if is_file:
        folder.mkdir()
        (folder / "data.mdb").write_text("no database")
    notes = Notes()
    counters = SharedCounters(f"{SCHEME}://{folder}")
    breaker = CircuitBreakerStore("", store=counters, events=notes.events())
    assert [breaker.incr("key", 60) for _ in range(3)] == [0] * 3
    assert len(notes.told) == 1


def test_a_broken_record_lets_its_caller_in(tmp_path):
    """What somebody else wrote into the counters is no failed request."""
    counters = SharedCounters(f"{SCHEME}://{tmp_path}")
    counters.incr("key", 60)
    with counters._environment.begin(write=True) as transaction:
        for name in [name for name, _ in transaction.cursor()]:
            transaction.put(name, b"short")
    notes = Notes()
    assert CircuitBreakerStore("", store=counters, events=notes.events()).incr("key", 60) == 0
    assert notes.told == ["error"]


@pytest.mark.parametrize("uri", ["mongodb://:secret@x", "localhost:6379", "async+redis://x", "://"])
def test_an_unknown_store_is_refused_without_quoting_it(uri):
    """The message names what there is, and keeps passwords to itself."""
    with pytest.raises(ValueError, match="redis") as refusal:
        check_store_uri(uri)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "valkeys"])
def test_a_missing_library_is_told(scheme, monkeypatch):
    """Whoever runs topfive without the client of Redis is told so at the start."""
    monkeypatch.setattr(redis_client, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match="not installed"):
        check_store_uri(f"{scheme}://host")
