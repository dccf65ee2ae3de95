"""Where the rate limit counts: on this machine, or in a store that machines share.

A store that cannot be reached must not stop predictions: nobody is limited until it is back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock
from time import monotonic, time
from typing import Any
from urllib.parse import urlsplit

from limits.storage import Storage, storage_from_string

from topfive.ratelimit.counters import SCHEME

CIRCUIT_BREAKER_SCHEME = "circuit-breaker"
# How long a store that failed is left alone.
RETRY_EVERY_S = 3.0
# What a request waits for a store at the most, once.
_TIMEOUT_S = 0.25

_REDIS_SCHEMES = ("redis", "rediss", "redis+unix")
# Valkey speaks Redis' protocol, so the same library reaches it.
_VALKEY_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "valkey+unix": "redis+unix"}
KNOWN_SCHEMES = (SCHEME, "memory", *_REDIS_SCHEMES, *_VALKEY_SCHEMES)


@dataclass(frozen=True, slots=True)
class StoreEvents:
    """Whom to tell: of an outage once, of its end once, of every call that was not counted."""

    on_down: Callable[[str], None]
    on_back: Callable[[], None]
    on_uncounted: Callable[[], None]


def check_store_uri(uri: str) -> None:
    """Raise ValueError if `uri` names no store that can be used here; it is not quoted."""
    scheme = uri.partition("://")[0]
    if "://" not in uri or scheme not in KNOWN_SCHEMES:
        raise ValueError(f"it must begin with one of {', '.join(KNOWN_SCHEMES)}, and ://")
    try:
        _ = urlsplit(uri).port
    except ValueError:
        # The library's own text would quote what may be part of a password.
        raise ValueError(
            "its port is not a number; in a password, write : / ? # [ ] @ as %3A and the like"
        ) from None
    if scheme in (*_REDIS_SCHEMES, *_VALKEY_SCHEMES) and find_spec("redis") is None:
        raise ValueError("the library `redis` is not installed")


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
    from redis.backoff import NoBackoff  # noqa: PLC0415 - only where it is used
    from redis.retry import Retry  # noqa: PLC0415

    return {
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }


class CircuitBreakerStore(Storage):
    """Counts in another store, and lets everyone pass while that one fails."""

    STORAGE_SCHEME = [CIRCUIT_BREAKER_SCHEME]  # noqa: RUF012 - the registry reads it from the class

    def __init__(self, uri: str, *, store: Storage, events: StoreEvents, **_: Any) -> None:
        super().__init__(uri)
        self._store = store
        self._events = events
        self._failures = _as_tuple(store.base_exceptions)
        self._lock = Lock()
        self._is_down = False
        self._retry_at_s = 0.0

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
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
        if self._may_ask():
            try:
                answer = call()
            except self._failures as error:
                self._note_down(type(error).__name__)
            else:
                self._note_back()
                return answer
        if is_counting:
            self._events.on_uncounted()
        return otherwise

    def _may_ask(self) -> bool:
        """Whether the store works, or this call is the one that looks whether it is back."""
        with self._lock:
            if not self._is_down:
                return True
            if monotonic() < self._retry_at_s:
                return False
            self._retry_at_s = monotonic() + RETRY_EVERY_S
            return True

    def _note_down(self, kind: str) -> None:
        with self._lock:
            was_down, self._is_down = self._is_down, True
            self._retry_at_s = monotonic() + RETRY_EVERY_S
        if not was_down:
            self._events.on_down(kind)

    def _note_back(self) -> None:
        if self._is_down:
            with self._lock:
                was_down, self._is_down = self._is_down, False
            if was_down:
                self._events.on_back()


def _as_tuple(kinds: Any) -> tuple[type[Exception], ...]:
    return (*(kinds if isinstance(kinds, tuple) else (kinds,)), OSError)
