"""How a process keeps its memory: small in the C library, left out by Python's collector."""

import ctypes
import gc
from contextlib import suppress

# glibc's malloc.h: mallopt(M_TRIM_THRESHOLD), mallopt(M_ARENA_MAX).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_TRIM_BYTES = 8 * 1024 * 1024
# One arena a thread would keep tens of megabytes in each; two are enough, since the lock is held
# for a moment only while pictures are decoded for milliseconds.
_ARENAS = 2
# Once anything is set glibc no longer learns this threshold. From its default of 128 KiB on every
# picture's pixels would be mapped anew, at the price of clearing all their pages.
_MMAP_BYTES = 4 * 1024 * 1024


def keep_memory_small() -> None:
    """Tune glibc's allocator for this process; other C libraries are left as they are."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, _ARENAS)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def freeze_memory() -> None:
    """Take all there is by now, which is there to stay, out of every later garbage collection.

    Looking through it would stop a worker for some 60 ms each time, and write to pages that the
    processes share since the fork (docs.python.org/3/library/gc.html#gc.freeze).
    """
    gc.freeze()
