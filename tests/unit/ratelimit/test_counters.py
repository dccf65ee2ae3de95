"""The rate limit's counters, shared by all workers of a machine."""

import pytest
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from topfive.ratelimit import counters as counting
from topfive.ratelimit.counters import SCHEME, SharedCounters


@pytest.fixture
def uri(tmp_path):
    """Where counters are kept."""
    return f"{SCHEME}://{tmp_path}"


def test_a_full_store_forgets_what_has_expired(uri, monkeypatch):
    """Where the store is full, windows that are over make room for new ones."""
    monkeypatch.setattr(counting, "MAX_CLIENTS", 200)
    now_s = 0.0
    monkeypatch.setattr(counting.time, "monotonic", lambda: now_s)
    counters = SharedCounters(uri)
    for number in range(2000):
        now_s = float(number)
        assert counters.incr(f"client {number}", 50) == 1
    assert counters.get("client 1999") == 1


def test_clients_are_kept_as_digests_only(uri, tmp_path):
    """No address is written into the store."""
    SharedCounters(uri).incr("LIMITER/203.0.113.77/predict", 60)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"203.0.113.77" not in written


def test_the_limits_library_finds_it_by_its_scheme(uri):
    """A limit of two a minute lets two pass and refuses the third."""
    limiter = FixedWindowRateLimiter(storage_from_string(uri))
    limit = parse("2/minute")
    assert [limiter.hit(limit, "client") for _ in range(3)] == [True, True, False]
    assert limiter.hit(limit, "another")
    assert limiter.get_window_stats(limit, "client").remaining == 0
