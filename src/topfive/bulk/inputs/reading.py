"""The bytes of one picture, from wherever it is."""

import errno
import os
import stat
from threading import Lock
from typing import Protocol

from topfive.bulk.inputs.buckets import Buckets, parse_object
from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.names import WEB_SCHEMES, TableRow, parse_row, scheme_of
from topfive.bulk.inputs.table_cursor import TableCursor
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.bulk.inputs.web import WebPictures
from topfive.images.limits import ImageLimits
from topfive.stores.address import CLOUD_LIBRARIES

__all__ = ["PictureReader", "Reader", "Unreadable", "open_reader"]


class Reader(Protocol):
    """Reads pictures; several threads may at once."""

    def read(self, entry: Entry, /) -> bytes:
        """Read a picture, of too large a file no more than shows that it is.

        Raises Unreadable, whose `detail` says why without a secret; BulkStopped if no other
        picture of the place can be read now either.
        """

    def close(self) -> None:
        """Close what is kept open for the next picture."""


def open_reader(limits: ImageLimits) -> Reader:
    """Make a reader of files, tables, buckets and web addresses; nothing is opened yet."""
    return PictureReader(limits.max_bytes)


class PictureReader:
    """Reads each picture by the way that its name says."""

    def __init__(self, max_bytes: int) -> None:
        self._wanted_bytes = max_bytes + 1
        self._lock = Lock()
        self._buckets = Buckets()
        self._web = WebPictures()
        self._tables = TableCursor(self._buckets)

    def read(self, entry: Entry) -> bytes:
        """Read at most one byte more than is allowed.

        Raises Unreadable; BulkStopped if the bucket that it is in cannot be reached.
        """
        row = parse_row(entry.name)
        if row is not None:
            return self._read_row(row)
        scheme = scheme_of(entry.name)
        if not scheme:
            return _read_file(entry.name, self._wanted_bytes)
        if scheme in WEB_SCHEMES:
            return self._web.read(entry.name, self._wanted_bytes)
        if scheme in CLOUD_LIBRARIES:
            return self._read_object(entry.name)
        raise Unreadable(f"Nothing is read from addresses that begin with {scheme}://.")

    def close(self) -> None:
        """Close what is kept open for the next picture."""
        with self._lock:
            self._tables.close()
        self._web.close()

    def _read_object(self, name: bytes) -> bytes:
        try:
            found = parse_object(name)
        except ValueError as error:
            raise Unreadable(str(error)) from error
        if not found.key:
            raise Unreadable("The address names a bucket, and no object in it.")
        return self._buckets.read(found, self._wanted_bytes)

    def _read_row(self, row: TableRow) -> bytes:
        with self._lock:
            return self._tables.read(row)[: self._wanted_bytes]


def _read_file(path: bytes, wanted_bytes: int) -> bytes:
    try:
        # Opening a pipe without this would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable("It is not a regular file.")
            # Memory is set aside for all that is asked for. Files of the system tell no size.
            expected = min(wanted_bytes, found.st_size + 1) if found.st_size else wanted_bytes
            return _require_bytes(file.read(expected))
    except Unreadable:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable(_tell(error)) from error


def _require_bytes(data: bytes | None) -> bytes:
    """Refuse what a file of the system answers that has nothing to say now, `/proc/kmsg`."""
    if data is None:
        raise Unreadable("It is not a regular file.")
    return data


def _tell(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "It is no name of a file."
    if error.errno == errno.EISDIR:
        return "It is a folder."
    if error.errno == errno.ENXIO:
        return "It is not a regular file."
    return f"{error.strerror or 'It cannot be read'}."
