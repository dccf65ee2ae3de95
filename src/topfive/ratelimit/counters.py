"""Counters of the rate limit, exact across all workers of one machine, with no server.

They live in an LMDB file in memory (`lmdb://DIRECTORY`): its write lock is held for microseconds,
and is given up by the kernel where a worker dies with it.
"""

import hashlib
import struct
import time
from pathlib import Path
from threading import Lock
from typing import Any

import lmdb
from limits.storage import Storage

SCHEME = "lmdb"

_RECORD = struct.Struct("<qd")
# A record takes under 100 bytes; the file has room for several times as many.
MAX_CLIENTS = 50_000
_MAP_BYTES = 32 * 1024 * 1024


class SharedCounters(Storage):
    """Counts per key until the key's window ends; the clock is the machine's monotonic one."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the registry reads it from the class

    def __init__(self, uri: str, wrap_exceptions: bool = False, **_: Any) -> None:
        super().__init__(uri, wrap_exceptions)
        self._folder = Path(uri.removeprefix(f"{SCHEME}://"))
        self._opened: lmdb.Environment | None = None
        self._opening = Lock()

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What this storage raises where it cannot count; a record may be broken, too."""
        return lmdb.Error, struct.error

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a key's count and return it; a new window of `expiry` seconds begins if due."""
        now_s = time.monotonic()
        with self._environment.begin(write=True) as transaction:
            stored = transaction.get(_short(key))
            count, ends_s = _RECORD.unpack(stored) if stored else (0, 0.0)
            if stored is None and transaction.stat()["entries"] >= MAX_CLIENTS:
                _make_room(transaction, now_s)
            if ends_s <= now_s:
                count, ends_s = 0, now_s + expiry
            count += amount
            transaction.put(_short(key), _RECORD.pack(count, ends_s))
        return int(count)

    def get(self, key: str) -> int:
        """Return a key's count in its present window."""
        count, ends_s = self._read(key)
        return count if ends_s > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        """Return when a key's window ends, as seconds since 1970."""
        _, ends_s = self._read(key)
        return time.time() + max(0.0, ends_s - time.monotonic())

    def check(self) -> bool:
        """Tell whether counting works."""
        self._environment.stat()
        return True

    def reset(self) -> int:
        """Forget all counts; returns how many there were."""
        with self._environment.begin(write=True) as transaction:
            keys = [key for key, _ in transaction.cursor()]
            return sum(transaction.delete(key) for key in keys)

    def clear(self, key: str) -> None:
        """Forget one key's count."""
        with self._environment.begin(write=True) as transaction:
            transaction.delete(_short(key))

    @property
    def _environment(self) -> lmdb.Environment:
        """The file: opened when it is first needed, so that a broken one stops no start."""
        with self._opening:
            if self._opened is None:
                # Nothing here must survive a power cut, so no write waits for a disk.
                self._opened = lmdb.open(
                    str(self._folder),
                    map_size=_MAP_BYTES,
                    sync=False,
                    metasync=False,
                    max_readers=4096,
                )
            return self._opened

    def _read(self, key: str) -> tuple[int, float]:
        with self._environment.begin() as transaction:
            stored = transaction.get(_short(key))
        return _RECORD.unpack(stored) if stored else (0, 0.0)


def _make_room(transaction: Any, now_s: float) -> None:
    """Forget whose window has ended; all, where that frees too little to be worth its time."""
    ended = [key for key, stored in transaction.cursor() if _RECORD.unpack(stored)[1] <= now_s]
    if len(ended) < MAX_CLIENTS // 2:
        ended = [key for key, _ in transaction.cursor()]
    for key in ended:
        transaction.delete(key)


def _short(key: str) -> bytes:
    """Make a key of fixed length: a client's address is kept as a digest only."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:16]
