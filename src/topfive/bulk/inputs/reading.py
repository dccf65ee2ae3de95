"""The bytes of one picture, from wherever it is."""

import errno
import os
import stat
from threading import Lock
from typing import Protocol

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.names import TableRow, parse_row, scheme_of
from topfive.bulk.inputs.table_cursor import TableCursor
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.images.limits import ImageLimits

__all__ = ["PictureReader", "Reader", "Unreadable", "open_reader"]


class Reader(Protocol):
    """Reads pictures; several threads may at once."""

    def read(self, entry: Entry, /) -> bytes:
        """Read a picture, of too large a file no more than shows that it is.

        Raises Unreadable, whose `detail` says why without a secret.
        """


def open_reader(limits: ImageLimits) -> Reader:
    """Make a reader of files, tables, buckets and web addresses; nothing is opened yet."""
    return PictureReader(limits.max_bytes)


class PictureReader:
    """Reads each picture by the way that its name says."""

    def __init__(self, max_bytes: int) -> None:
        self._wanted_bytes = max_bytes + 1
        self._lock = Lock()
        self._tables = TableCursor()

    def read(self, entry: Entry) -> bytes:
        """Read at most one byte more than is allowed; raises Unreadable."""
        row = parse_row(entry.name)
        if row is not None:
            return self._read_row(row)
        if scheme_of(entry.name):
            raise Unreadable("Nothing is read from addresses that begin so.")
        return _read_file(entry.name, self._wanted_bytes)

    def _read_row(self, row: TableRow) -> bytes:
        with self._lock:
            return self._tables.read(row)[: self._wanted_bytes]


def _read_file(path: bytes, wanted_bytes: int) -> bytes:
    try:
        # Opening a pipe without this would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Unreadable("It is not a regular file.")
            return file.read(wanted_bytes)
    except Unreadable:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable(_tell(error)) from error


def _tell(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "It is no name of a file."
    if error.errno == errno.EISDIR:
        return "It is a folder."
    if error.errno == errno.ENXIO:
        return "It is not a regular file."
    return f"{error.strerror or 'It cannot be read'}."
