"""A store whose outages are no failures: while it is away, nothing is found and nothing is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from topfive.cache.store import Store
from topfive.circuit_breaker import CircuitBreaker, T


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class CacheEvents:
    """Whom to tell: of an outage once, of its end once; of each call that failed, each entry that
    was broken, and how many entries made room for another.
    """

    on_down: Callable[[str], None] = _ignore
    on_back: Callable[[], None] = _ignore
    on_error: Callable[[], None] = _ignore
    on_broken: Callable[[], None] = _ignore
    on_evicted: Callable[[int], None] = _ignore


class GuardedStore:
    """Stands before a store and never raises; safe to call from many threads.

    Reading and writing have a circuit breaker each: a store that is full can still be read.
    """

    def __init__(self, store: Store, events: CacheEvents) -> None:
        self.poll_s = store.poll_s
        self._store = store
        self._events = events
        self._reads = CircuitBreaker(store.failures, events.on_down, events.on_back)
        self._writes = CircuitBreaker(store.failures, events.on_down, events.on_back)

    def get(self, key: bytes) -> bytes | None:
        """Return an entry; None where there is none."""
        return self._reads.call(lambda: self._store.get(key), lambda: self._fail(None))

    def put(self, key: bytes, entry: bytes) -> bool:
        """Keep an entry; tells whether that worked."""
        if self._reads.is_down:
            return self._fail(False)
        return self._writes.call(lambda: self._put(key, entry), lambda: self._fail(False))

    def drop(self, key: bytes) -> None:
        """Forget an entry that is broken."""
        self._events.on_broken()
        self._writes.call(lambda: self._store.drop(key), lambda: self._fail(None))

    def claim(self, key: bytes) -> bool:
        """Become the one process that works on an entry; without a store every one is."""
        if self._reads.is_down or self._writes.is_down:
            return True
        return self._writes.call(lambda: self._store.claim(key), lambda: self._fail(True))

    def release(self, key: bytes) -> None:
        """Give up a claim."""
        if self._reads.is_down or self._writes.is_down:
            return
        self._writes.call(lambda: self._store.release(key), lambda: self._fail(None))

    def used_bytes(self) -> int:
        """Tell how much of this machine's memory the entries take; 0 where that is not known."""
        if self._reads.is_down:
            return 0
        return self._reads.call(self._store.used_bytes, lambda: self._fail(0))

    def close(self) -> None:
        """Give back what this process holds of the store."""
        self._store.close()

    def _put(self, key: bytes, entry: bytes) -> bool:
        kept = self._store.put(key, entry)
        if kept.evicted:
            self._events.on_evicted(kept.evicted)
        return kept.is_kept

    def _fail(self, answer: T) -> T:
        self._events.on_error()
        return answer
