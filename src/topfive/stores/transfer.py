"""One file from a store: written as it comes, counted, hashed, and tried again where that helps."""

import hashlib
import os
from pathlib import Path
from time import monotonic, sleep
from typing import BinaryIO

from topfive.concurrency.backoff import Backoff
from topfive.errors import BundleRefused, StoreDenied, StoreUnreachable
from topfive.stores.contract import OpenFile, Progress, StoreFiles, StoreLimits

_PIECE_BYTES = 4 * 1024 * 1024
# Within one fetch; who asked for it tries again later.
_ATTEMPTS = 3
_BACKOFF = Backoff(first_s=0.5, most_s=4.0)


class _Damaged(StoreUnreachable):
    """A file came with another sha256: it may have been damaged on its way."""


def fetch_file(
    files: StoreFiles, path: str, target: Path, sha256: str, most_bytes: int, progress: Progress
) -> int:
    """Fetch the file that has this sha256, in hex; returns its size in bytes.

    Raises BundleRefused if it has another sha256 each time it is fetched, or over `most_bytes`;
    StoreUnreachable or StoreDenied, and OSError where it cannot be written.
    """
    where = f"{files.shown}/{path}"
    for failures in range(1, _ATTEMPTS + 1):
        try:
            return _fetch_once(files, path, target, sha256, most_bytes, progress)
        except StoreDenied:
            raise
        except StoreUnreachable as error:
            if failures == _ATTEMPTS:
                if isinstance(error, _Damaged):
                    raise BundleRefused(str(error)) from error
                raise
        sleep(_BACKOFF.draw_wait_s(failures))
    raise AssertionError(where)


def persist(path: Path) -> None:
    """Have what a file or folder holds reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fetch_once(
    files: StoreFiles, path: str, target: Path, sha256: str, most_bytes: int, progress: Progress
) -> int:
    where = f"{files.shown}/{path}"
    written = _Written(progress)
    try:
        with files.open(path) as source, target.open("wb") as file:
            _refuse_large(source.size_bytes or 0, most_bytes, where)
            _copy(source, file, written, most_bytes, files.limits, where)
        _require_hash(source.size_bytes, written, sha256, where)
    except StoreUnreachable:
        progress.advance(-written.size_bytes)
        raise
    target.chmod(0o644)
    persist(target)
    return written.size_bytes


class _Written:
    """What has been written of a file: its size in bytes, its hash, and for how long it takes."""

    def __init__(self, progress: Progress) -> None:
        self.size_bytes = 0
        self.hash = hashlib.sha256()
        self._progress = progress
        self._began_s = monotonic()

    def add(self, piece: bytes) -> None:
        """Count one more piece."""
        self.size_bytes += len(piece)
        self.hash.update(piece)
        self._progress.advance(len(piece))

    def is_slow(self, limits: StoreLimits) -> bool:
        """Tell whether less comes than a network brings that works."""
        took_s = monotonic() - self._began_s
        return took_s > limits.stall_s and self.size_bytes < limits.min_bytes_per_s * took_s


def _copy(
    source: OpenFile,
    file: BinaryIO,
    written: _Written,
    most_bytes: int,
    limits: StoreLimits,
    where: str,
) -> None:
    while piece := source.read(_PIECE_BYTES):
        written.add(piece)
        _refuse_large(written.size_bytes, most_bytes, where)
        if written.is_slow(limits):
            raise StoreUnreachable(
                f"{where} came with less than {limits.min_bytes_per_s:,} bytes a second."
            )
        file.write(piece)


def _refuse_large(size_bytes: int, most_bytes: int, where: str) -> None:
    if size_bytes > most_bytes:
        raise BundleRefused(f"{where} is larger than the {most_bytes:,} bytes that are allowed.")


def _require_hash(told_bytes: int | None, written: _Written, sha256: str, where: str) -> None:
    if told_bytes is not None and written.size_bytes < told_bytes:
        raise StoreUnreachable(
            f"{where} ended after {written.size_bytes:,} of {told_bytes:,} bytes."
        )
    if written.hash.hexdigest() != sha256:
        raise _Damaged(
            f"{where} is not the file that the bundle was made with (its sha256 differs). "
            "Push the bundle again, as another version."
        )
