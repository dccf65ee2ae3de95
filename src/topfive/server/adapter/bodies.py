"""Bodies by Gunicorn's readers: of what was collected, and of what a thread still waits for."""

import errno
import time
from functools import partial
from io import BytesIO
from math import inf
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import Unreader

from topfive.server.arriving import ArrivingBody, Portions, few_pieces
from topfive.server.connection import Connection


class BodyReader(Unreader):  # type: ignore[misc] # gunicorn has no types
    """Gives Gunicorn's parser the bytes that were collected, then those that still come."""

    def __init__(self, collected: bytes) -> None:
        super().__init__()
        self._collected = collected
        self._conn: Connection | None = None
        self._until_s = 0.0
        self._idle_s = inf
        self._waited_s = 0.0
        self._portions: Portions | None = None

    def go_on(self, collected: bytes) -> None:
        """Have further bytes read that were collected."""
        self._collected = collected

    def wait_for(
        self, conn: Connection, until_s: float, idle_s: float, portions: Portions | None = None
    ) -> None:
        """Have a thread wait for what a connection still sends; it is given in `portions`."""
        self._conn, self._until_s, self._idle_s = conn, until_s, idle_s
        self._portions = portions

    def wait(self, timeout_s: float) -> bool:
        """Tell whether `chunk` has something to give, or to raise, waiting so long for it."""
        if self._conn is None or self._collected or self.buf.tell() or self._portions:
            return True
        self._conn.tell_to_continue()
        began_s = time.monotonic()
        if self._conn.is_readable(timeout_s):
            return True
        now_s = time.monotonic()
        self._waited_s += now_s - began_s
        return self._waited_s >= self._idle_s or now_s >= self._until_s

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return some bytes; none at the end of what was collected.

        Waiting for more raises TimeoutError, and ConnectionAbortedError where the client has gone.
        """
        if self._portions is None:
            return self._receive(size_hint)
        return self._portions.take(size_hint) or self._portions.take(
            size_hint, self._receive(size_hint)
        )

    def take_buffered(self) -> bytes:
        """Return what has come and was not asked for; it belongs to the next request."""
        rest = b"" if self._portions is None else self._portions.take_all()
        return bytes(super().take_buffered()) + rest

    def _receive(self, size_hint: int | None) -> bytes:
        if self._collected:
            collected, self._collected = self._collected, b""
            return collected
        if self._conn is None:
            return b""
        # Only now: whom the app refuses by its head alone need not send the body.
        self._conn.tell_to_continue()
        data = self._conn.receive(size_hint or 8192, self._until_s, self._idle_s - self._waited_s)
        self._waited_s = 0.0
        if not data:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the client has gone")
        return data


def open_body(conn: Connection, message: Any, whole_s: float, idle_s: float) -> Any:
    """Return the file that the app reads the body of a request from.

    Of what is missing all may take `whole_s` from the head on, and `idle_s` pass without a byte.
    """
    reader = message.body.reader
    message.unreader.go_on(conn.body)
    if conn.body_is_missing:
        portions = None
        if isinstance(reader, ChunkedReader):
            reader.parser = few_pieces(reader.parser)
            portions = Portions()
        message.unreader.wait_for(conn, conn.head_s + whole_s, idle_s, portions)
        return ArrivingBody(
            reader,
            partial(_ready_bytes, reader),
            ParseException,
            lambda timeout_s: not is_unread(conn) or message.unreader.wait(timeout_s),
        )
    if isinstance(reader, ChunkedReader):
        return BytesIO(message.body.read())
    return BytesIO(conn.body)


def announced_bytes(message: Any) -> int | None:
    """Tell how long a body is by its head; None where it comes in chunks."""
    reader = message.body.reader
    # A reader without a length reads nothing: there is no body.
    return None if isinstance(reader, ChunkedReader) else getattr(reader, "length", 0)


def is_unread(conn: Connection) -> bool:
    """Tell whether the client may still be sending what the app did not want to read."""
    assert conn.head is not None  # noqa: S101 - a request was taken
    reader = conn.head.message.body.reader
    is_read = reader.parser is None if isinstance(reader, ChunkedReader) else reader.length == 0
    return conn.body_is_missing and not is_read


def _ready_bytes(reader: Any) -> int:
    """Tell how much of a body has been read from the connection and not by the app."""
    is_chunked = isinstance(reader, ChunkedReader)
    return int(reader.buf.tell() if is_chunked else reader.unreader.buf.tell())
