"""One client's connection: what has arrived of its request, and how long it may take."""

import errno
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import TConn

# A head longer than this is handed to Gunicorn's parser, which refuses it.
MAX_HEAD_BYTES = 64 * 1024
# Bytes that are thrown away go here; on Linux the kernel drops them without even copying.
WASTE = bytearray(256 * 1024)
DROP = getattr(socket, "MSG_TRUNC", 0)
# What a client has not read yet of its answers is kept up to this size, then it is let go.
MAX_UNSENT_BYTES = 4 * 1024 * 1024

_HEAD_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_PROBE = re.compile(rb"GET /(?:health|livez|readyz)[ ?]")
_PREDICTION = re.compile(rb"POST /predict(?:/batch)?[ ?]")
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)


class TimedSocket(socket.socket):
    """A socket that makes no thread wait for its client beyond `read_until_s`.

    What cannot be sent at once is kept in `unsent`, for the worker's main loop to send.
    """

    read_until_s = inf

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unsent = bytearray()
        self.received_bytes = 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read as usual; raises TimeoutError once `read_until_s` has passed."""
        timeout_s = self.gettimeout()
        if timeout_s != 0:
            left_s = self.read_until_s - monotonic()
            self.settimeout(max(0.001, min(left_s, timeout_s or 3600.0)))
        data = super().recv(size, flags)
        self.received_bytes += len(data)
        return data

    def sendall(self, data: Any, _flags: int = 0) -> None:
        """Send what the client takes now and keep the rest; raises OSError if that is too much."""
        self.setblocking(False)
        is_waiting = bool(self.unsent)
        self.unsent += data
        if not is_waiting:
            self.send_more()
        if len(self.unsent) > MAX_UNSENT_BYTES:
            raise BrokenPipeError(errno.EPIPE, "the client does not read its answers")

    def send_more(self) -> bool:
        """Send what the client takes now; True if nothing is left. Raises OSError if it is gone."""
        sent = 0
        with memoryview(self.unsent) as view, suppress(BlockingIOError):
            while sent < len(view):
                sent += self.send(view[sent:])
        del self.unsent[:sent]
        return not self.unsent


class Connection(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection whose next request is collected before a thread is given to it."""

    def __init__(
        self, cfg: Any, sock: socket.socket, client: Any, server: Any,
        linger: Callable[["Connection"], None],
    ) -> None:  # fmt: skip
        # Asking `sock` for its family and type would cost more than the rest of this.
        family = socket.AF_INET6 if len(client) == 4 else socket.AF_INET
        timed = TimedSocket(family, socket.SOCK_STREAM, 0, fileno=sock.detach())
        super().__init__(cfg, timed, client, server)
        # The first bytes are always there when a thread gets this connection.
        self.data_ready = True
        self.is_predicting = False
        self.is_browsing = False
        self.is_watched = False
        self.cost_bytes = 0
        self.began_s = 0.0
        self.expires_s = inf
        self._linger = linger
        self._received = bytearray()
        self._head_bytes = 0
        self._searched = 0
        self._extra_bytes = 0

    @property
    def held_bytes(self) -> int:
        """How much of the next request has arrived and not been handed on."""
        return len(self._received)

    @property
    def has_head(self) -> bool:
        """Whether the next request's head has arrived, or is too long to be one."""
        return self._head_bytes > 0 or len(self._received) > MAX_HEAD_BYTES

    @property
    def is_prediction(self) -> bool:
        """Whether the next request asks for work on a picture."""
        return _PREDICTION.match(self._received) is not None

    @property
    def is_probe(self) -> bool:
        """Whether the next request asks how the service is."""
        return _PROBE.match(self._received) is not None

    def collect(self) -> bool:
        """Read what has arrived without waiting; False if the client has closed."""
        data = self.sock.recv(MAX_HEAD_BYTES)
        self._received += data
        if not self._head_bytes:
            end = self._received.find(_HEAD_END, max(0, self._searched - 3))
            self._searched = len(self._received)
            self._head_bytes = end + len(_HEAD_END) if end != -1 else 0
        return bool(data)

    def discard(self) -> bool:
        """Throw away what has arrived of this request; True if that was all of it, and no more.

        Then the connection may be used for the next one.
        """
        missing_bytes = self.missing_bytes()
        with suppress(OSError):
            while 0 < missing_bytes < inf:
                count = self.sock.recv_into(WASTE, min(int(missing_bytes), len(WASTE)), DROP)
                missing_bytes = missing_bytes - count if count else inf
        is_whole = missing_bytes == 0 and self._extra_bytes == 0
        self._received.clear()
        self._head_bytes = self._searched = 0
        return is_whole

    def missing_bytes(self) -> float:
        """Tell how much of the body has not arrived; infinity where only reading on will tell."""
        head = bytes(self._received[: self._head_bytes])
        if _CHUNKED.search(head):
            # Where it ends is for the parser to say; until then nothing may follow on it.
            self._extra_bytes = 1
            return 0 if self._received.endswith(_LAST_CHUNK) else inf
        length = _CONTENT_LENGTH.search(head)
        body_bytes = int(length[1]) if length else 0
        missing_bytes = self._head_bytes + body_bytes - len(self._received)
        self._extra_bytes = max(0, -missing_bytes)
        return max(0, missing_bytes)

    def init(self) -> None:
        """Hand what was collected to Gunicorn's parser; runs in the request's thread."""
        super().init()
        if self._received:
            self.parser.unreader.unread(bytes(self._received))
            self._received.clear()
        self._head_bytes = self._searched = 0

    def close(self, graceful: bool = False) -> None:
        """Close; gracefully means to go on reading until the client has seen the answer."""
        if graceful:
            self._linger(self)
        else:
            super().close()
