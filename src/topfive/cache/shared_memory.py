"""Entries in memory that the workers of one machine share: an LMDB file, bounded in bytes.

Readers wait for nobody. Which entries are used least is found by looking at a few that are drawn,
as Redis does it (https://redis.io/docs/latest/develop/reference/eviction/): no list is to be kept.
"""

import fcntl
import os
import struct
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import lmdb

from topfive.cache.store import Kept

# LMDB writes changed pages anew before it frees the old ones: so much of the file is for entries.
_ENTRIES_SHARE = 0.85
# No entry may push out more than a small part of all others.
_MOST_SHARE = 1 / 16
_PAGE_BYTES = 4096
# An eviction frees a page only now and then, and needs some to be written anew: so many at once.
_EVICTIONS_A_PAGE = 8
_SAMPLE = 8
# How often in a row others make room for an entry that finds the file full.
_MOST_TRIES = 8

# When an entry was used is kept to the second, so that most hits only read.
_TOUCH_AFTER_S = 1
_TICK = struct.Struct("<I")
_KEY_BYTES = 32

# Of names that no other database has: a folder may be full of somebody's own.
_ENTRIES_FILE = "topfive-answers.mdb"
_LOCK_FILE = "topfive-answers.mdb-lock"
_CLAIMS_FILE = "topfive-answers.claims"
# It tells since which start of the machine the others are there.
_BOOT_FILE = "topfive-answers.boot"
_CLAIM_POLL_S = 0.002


class SharedMemoryStore:
    """Entries in a folder's LMDB file of at most `max_bytes`; safe to call from many threads.

    The file grows as it is filled. A write that finds no space fails; it never ends its process.
    """

    failures = (lmdb.Error, struct.error, OSError)
    poll_s = _CLAIM_POLL_S

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._most_pages = int(max_bytes * _ENTRIES_SHARE) // _PAGE_BYTES
        self._lock = Lock()
        self._opened: lmdb.Environment | None = None
        self._claims: int | None = None

    def get(self, key: bytes) -> bytes | None:
        """Return an entry, and note that it was used."""
        with self._environment.begin() as transaction:
            record = transaction.get(key)
        if record is None:
            return None
        if _now() - _tick(record) > _TOUCH_AFTER_S:
            self._touch(key)
        return bytes(record[_TICK.size :])

    def put(self, key: bytes, entry: bytes) -> Kept:
        """Keep an entry, unless it is very large."""
        record = _TICK.pack(_now()) + entry
        if _pages(record) > self._most_pages * _MOST_SHARE:
            return Kept(is_kept=False)
        evicted = 0
        for _ in range(_MOST_TRIES):
            try:
                return Kept(True, evicted + self._write(key, record))
            except lmdb.MapFullError:
                # A process that was killed may hold pages that would be free.
                self._environment.reader_check()
                evicted += self._evict_some()
        return Kept(False, evicted)

    def drop(self, key: bytes) -> None:
        """Forget an entry."""
        with self._environment.begin(write=True) as transaction:
            transaction.delete(key)

    def claim(self, key: bytes) -> bool:
        """Lock a byte of a file that stands for the key: the kernel frees it with its process."""
        try:
            fcntl.lockf(self._claims_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _position(key))
        except (BlockingIOError, PermissionError):
            return False
        return True

    def release(self, key: bytes) -> None:
        """Free the key's byte."""
        fcntl.lockf(self._claims_file, fcntl.LOCK_UN, 1, _position(key))

    def used_bytes(self) -> int:
        """Tell how many bytes of the file hold entries."""
        with self._environment.begin() as transaction:
            return _used_pages(transaction) * _PAGE_BYTES

    def prepare(self) -> None:
        """Make the files, before there are workers; anew where they may be damaged."""
        if not self._is_whole():
            for name in (_ENTRIES_FILE, _LOCK_FILE, _CLAIMS_FILE):
                (self._folder / name).unlink(missing_ok=True)
        self.used_bytes()
        self.close()
        (self._folder / _BOOT_FILE).write_text(_boot_id())
        (self._folder / _CLAIMS_FILE).touch()
        with (self._folder / _LOCK_FILE).open("r+b") as file:
            # It is mapped to be written: where that finds no space, it ends the process.
            os.posix_fallocate(file.fileno(), 0, max(1, os.fstat(file.fileno()).st_size))

    def _is_whole(self) -> bool:
        """Tell whether the files are as workers have left them.

        A power cut leaves some pages written and others not, since nobody waits for the disk; and
        to read a page that is cut off ends the process.
        """
        try:
            is_of_now = (self._folder / _BOOT_FILE).read_text() == _boot_id()
            pages = self._environment.info()["last_pgno"] + 1
            whole_bytes = pages * self._environment.stat()["psize"]
            return is_of_now and (self._folder / _ENTRIES_FILE).stat().st_size >= whole_bytes
        except self.failures:
            return False
        finally:
            self.close()

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            if self._claims is not None:
                os.close(self._claims)
            self._opened = self._claims = None

    @property
    def _environment(self) -> lmdb.Environment:
        """The file: opened when it is first needed, so that a broken one stops no start."""
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened = self._opened or lmdb.open(
                    str(self._folder / _ENTRIES_FILE),
                    subdir=False,
                    map_size=self._max_bytes,
                    # Nothing here must survive a power cut, so no write waits for a disk.
                    sync=False,
                    metasync=False,
                    max_readers=4096,
                    max_spare_txns=16,
                )
        return opened

    @property
    def _claims_file(self) -> int:
        claims = self._claims
        if claims is None:
            with self._lock:
                if self._claims is None:
                    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                    self._claims = os.open(self._folder / _CLAIMS_FILE, flags, 0o600)
                claims = self._claims
        return claims

    def _touch(self, key: bytes) -> None:
        # What matters is the entry; that it was used may go unnoted where there is no space.
        with suppress(lmdb.Error), self._environment.begin(write=True) as transaction:
            record = transaction.get(key)
            if record is not None:
                transaction.put(key, _TICK.pack(_now()) + record[_TICK.size :])

    def _write(self, key: bytes, record: bytes) -> int:
        with self._environment.begin(write=True) as transaction:
            pages = _pages(record)
            evicted = _make_room(transaction, self._most_pages - pages, pages * _EVICTIONS_A_PAGE)
            transaction.put(key, record)
        return evicted

    def _evict_some(self) -> int:
        with suppress(lmdb.MapFullError), self._environment.begin(write=True) as transaction:
            return _make_room(transaction, 0, _EVICTIONS_A_PAGE)
        return 0


def _make_room(transaction: Any, most_pages: int, most_evictions: int) -> int:
    """Evict until the rest has no more than `most_pages`; returns how many were evicted."""
    evicted = 0
    while evicted < most_evictions and _used_pages(transaction) > most_pages:
        key = _pick_old(transaction)
        if key is None:
            break
        transaction.delete(key)
        evicted += 1
    return evicted


def _pick_old(transaction: Any) -> bytes | None:
    """Draw some entries, and pick the one that was used longest ago; None without any."""
    now, oldest = _now(), None
    with transaction.cursor() as cursor:
        for _ in range(_SAMPLE):
            drawn = os.urandom(_KEY_BYTES)
            # Keys are digests: what comes after one that is drawn is drawn as well.
            if not (cursor.set_range(drawn) or cursor.first()):
                return None
            found = (now - _tick(cursor.value()), cursor.key())
            oldest = max(oldest, found) if oldest else found
    return oldest[1] if oldest else None


def _used_pages(transaction: Any) -> int:
    told = transaction.stat()
    return int(told["branch_pages"] + told["leaf_pages"] + told["overflow_pages"])


def _pages(record: bytes) -> int:
    """Tell how many pages a record may need at the most."""
    return -(-len(record) // _PAGE_BYTES)


def _tick(record: bytes) -> int:
    return int(_TICK.unpack_from(record)[0])


def _now() -> int:
    """Tell the second, by a clock that all processes of the machine share."""
    return int(time.monotonic())


def _boot_id() -> str:
    """Name this start of the machine; the same each time where it has no such name."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()
    return ""


def _position(key: bytes) -> int:
    """Tell the byte that stands for a key: lockf takes up to 63 bits."""
    return int.from_bytes(key[:8], "big") >> 2
