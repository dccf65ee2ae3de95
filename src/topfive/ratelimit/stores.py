"""Where the rate limit counts: on this machine, or in a store that machines share.

A store that cannot be reached must not stop predictions: nobody is limited until it is back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any

from limits.storage import Storage, storage_from_string

from topfive.circuit_breaker import CircuitBreaker
from topfive.ratelimit.counters import SCHEME
from topfive.redis_client import check_redis_url, no_retries

CIRCUIT_BREAKER_SCHEME = "circuit-breaker"
# What a request waits for a store at the most, once.
_TIMEOUT_S = 0.25

# As the library that counts calls them.
_REDIS_SCHEMES = ("redis", "rediss", "redis+unix")
_VALKEY_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "valkey+unix": "redis+unix"}


@dataclass(frozen=True, slots=True)
class StoreEvents:
    """Whom to tell: of an outage once, of its end once, of every call that was not counted."""

    on_down: Callable[[str], None]
    on_back: Callable[[], None]
    on_uncounted: Callable[[], None]


def check_store_uri(uri: str) -> None:
    """Raise ValueError if `uri` names no store that can be used here; it is not quoted."""
    check_redis_url(uri, (SCHEME, "memory"))


def open_store(uri: str) -> Storage:
    """Open a store; one that is away is noticed when it is first used."""
    scheme, _, rest = uri.partition("://")
    scheme = _VALKEY_SCHEMES.get(scheme, scheme)
    store = storage_from_string(f"{scheme}://{rest}", **_options(scheme))
    assert isinstance(store, Storage)  # noqa: S101 - none of the asynchronous ones is known here
    return store


def _options(scheme: str) -> dict[str, Any]:
    if scheme not in _REDIS_SCHEMES:
        return {}
    return {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S, **no_retries()}


class CircuitBreakerStore(Storage):
    """Counts in another store, and lets everyone pass while that one fails."""

    STORAGE_SCHEME = [CIRCUIT_BREAKER_SCHEME]  # noqa: RUF012 - the registry reads it from the class

    def __init__(self, uri: str, *, store: Storage, events: StoreEvents, **_: Any) -> None:
        super().__init__(uri)
        self._store = store
        self._events = events
        self._failures = _as_tuple(store.base_exceptions)
        self._breaker = CircuitBreaker(self._failures, events.on_down, events.on_back)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What the other store raises."""
        return self._failures

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a key's count and return it; 0, which is below every limit, without a store."""
        return int(self._ask(lambda: self._store.incr(key, expiry, amount), 0, is_counting=True))

    def get(self, key: str) -> int:
        """Return a key's count; 0 without a store."""
        return int(self._ask(lambda: self._store.get(key), 0))

    def get_expiry(self, key: str) -> float:
        """Return when a key's window ends, as seconds since 1970; now without a store."""
        return float(self._ask(lambda: self._store.get_expiry(key), time()))

    def check(self) -> bool:
        """Say that requests can be let in: they always can."""
        return True

    def reset(self) -> int | None:
        """Forget all counts."""
        return self._store.reset()

    def clear(self, key: str) -> None:
        """Forget one key's count."""
        self._store.clear(key)

    def _ask(self, call: Callable[[], float], otherwise: float, is_counting: bool = False) -> float:
        def go_without() -> float:
            if is_counting:
                self._events.on_uncounted()
            return otherwise

        return self._breaker.call(call, go_without)


def _as_tuple(kinds: Any) -> tuple[type[Exception], ...]:
    return (*(kinds if isinstance(kinds, tuple) else (kinds,)), OSError)
