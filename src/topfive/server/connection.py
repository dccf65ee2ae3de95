"""One client's connection: its socket, what has arrived of its requests, and what it is sent."""

import errno
import select
import socket
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any

from topfive.server.chunked import ChunkedBody
from topfive.server.http import Head, Outcome
from topfive.server.upload import Upload

# A head longer than this is refused, however it is cut into pieces on its way.
MAX_HEAD_BYTES = 64 * 1024
# What a client has not read yet of its answers is kept up to this size, then it is let go.
MAX_UNSENT_BYTES = 4 * 1024 * 1024
# Up to this size an answer is sent, or a body read, in one piece.
_PIECE_BYTES = 256 * 1024
_HEAD_END = b"\r\n\r\n"
# Bytes that are thrown away go here; on Linux the kernel drops them without even copying.
_WASTE = bytearray(256 * 1024)
_DROP = getattr(socket, "MSG_TRUNC", 0)


def discard(sock: socket.socket, most: int) -> int:
    """Throw away up to `most` bytes that have come; returns how many."""
    count = 0
    with suppress(BlockingIOError):
        while count < most:
            flags = _DROP | socket.MSG_DONTWAIT
            piece = sock.recv_into(_WASTE, min(most - count, len(_WASTE)), flags)
            if not piece:
                break
            count += piece
    return count


def host_of(client: Any) -> str:
    """Tell the address, without a port, that a connection comes from; "" where it has none."""
    return str(client[0]) if isinstance(client, tuple) else ""


class Connection(Upload):
    """A connection, with the request on it that arrives or is answered.

    `received` is what arrived and was not taken: of the request, and perhaps of the next one.
    `body` is what was taken of a request's body; `head` its parsed head, once that is whole.
    """

    def __init__(self, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(host=host_of(client))
        sock.setblocking(False)
        self.sock = sock
        self.client = client
        self.server = server
        self.received = bytearray()
        self.unsent = bytearray()
        self.polled_events = 0
        self.discarded_bytes = 0
        self.has_ended = False
        self.outcome = Outcome.KEEP
        self.sent_bytes = 0
        self.begin_again()

    def begin_again(self) -> None:
        """Be ready for the next request."""
        self.head: Head | None = None
        self.head_bytes = 0
        self.body_bytes: float = 0
        self.body = b""
        self.taken_bytes = 0
        self.body_is_missing = False
        self.waited_s = 0.0
        self.was_told_to_continue = False
        self._chunked: ChunkedBody | None = None
        self._searched = 0

    @property
    def is_closed(self) -> bool:
        """Whether the socket is closed."""
        return self.sock.fileno() == -1

    def fileno(self) -> int:
        """Tell the socket's descriptor."""
        return self.sock.fileno()

    def find_head(self) -> bytes | None:
        """Return the head once it is whole, or as soon as it cannot become one; else None."""
        end = self.received.find(_HEAD_END, max(0, self._searched - 3), MAX_HEAD_BYTES)
        if end != -1:
            self.head_bytes = end + len(_HEAD_END)
            return bytes(self.received[: self.head_bytes])
        self._searched = len(self.received)
        if self._searched >= MAX_HEAD_BYTES or self._has_bare_line_feed():
            return bytes(self.received[:MAX_HEAD_BYTES])
        return None

    def _has_bare_line_feed(self) -> bool:
        # The parser refuses these, so nobody needs to wait for more.
        return self.received.count(b"\n") != self.received.count(b"\r\n")

    def begin_body(self, head: Head) -> None:
        """Note the parsed head."""
        self.head = head
        if head.body_bytes is None:
            self._chunked = ChunkedBody(self.head_bytes)
            self.body_bytes = inf
        else:
            self.body_bytes = head.body_bytes

    def missing_bytes(self) -> float:
        """Tell how many bytes of the body have not arrived; infinitely many: nobody knows.

        Raises ValueError where its chunks are broken.
        """
        if self._chunked is not None and self.body_bytes == inf:
            end = self._chunked.find_end(self.received)
            self.body_bytes = inf if end is None else end - self.head_bytes
        return max(0, self.head_bytes + self.body_bytes - len(self.received))

    def take_request(self) -> None:
        """Take what has arrived of the request, for a thread; the next request's bytes stay."""
        self.sent_bytes = 0
        end = min(self.head_bytes + self.body_bytes, len(self.received))
        self.taken_bytes = int(end)
        self.body_is_missing = end < self.head_bytes + self.body_bytes
        with memoryview(self.received) as view:
            self.body = bytes(view[self.head_bytes : self.taken_bytes])
        del self.received[: self.taken_bytes]

    def give_back(self, data: bytes) -> None:
        """Take back what was read behind the end of the request: it belongs to the next one."""
        self.received[:0] = data
        self.taken_bytes -= len(data)

    def discard_request(self) -> bool:
        """Throw away what has arrived; True if that was one request, whole, and no more."""
        is_whole = False
        if self.taken_bytes:
            is_whole = not self.body_is_missing and not self.received
        elif self.head is not None:
            with suppress(ValueError, OSError):
                is_whole = self._discard_missing(self.missing_bytes())
        self.received.clear()
        self.begin_again()
        return is_whole

    def _discard_missing(self, missing_bytes: float) -> bool:
        if missing_bytes == 0:
            return len(self.received) == self.head_bytes + self.body_bytes
        while 0 < missing_bytes < inf:
            count = self.discard(int(min(missing_bytes, len(_WASTE))))
            missing_bytes = missing_bytes - count if count else inf
        return missing_bytes == 0

    def discard(self, most: int = len(_WASTE)) -> int:
        """Throw away up to `most` bytes that arrive; returns how many, 0 at the client's end."""
        return self.sock.recv_into(_WASTE, most, _DROP)

    def receive(self, size: int, until_s: float, idle_s: float = inf) -> bytes:
        """Read for a thread, waiting until then and for `idle_s`; raises TimeoutError at the end.

        Of a `size` that a client has announced no more is set aside than a piece.
        """
        until_s = min(until_s, monotonic() + idle_s)
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        while True:
            with suppress(BlockingIOError):
                data = self.sock.recv(min(size, _PIECE_BYTES))
                self.streamed_bytes += len(data)
                return data
            left_s = until_s - monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise TimeoutError(errno.ETIMEDOUT, "the client does not send its request")

    def is_readable(self, timeout_s: float) -> bool:
        """Tell whether something has come, if only the client's end; waits so long for it."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))

    def has_gone(self) -> bool:
        """Tell whether the client has closed its connection, or its half of it."""
        if self.has_ended or not hasattr(select, "POLLRDHUP"):
            return self.has_ended
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        return bool(poll.poll(0))

    def tell_to_continue(self) -> None:
        """Tell a client that waits for it, once, to send its body (RFC 9110, section 10.1.1)."""
        if self.head is not None and self.head.wants_continue and not self.was_told_to_continue:
            self.was_told_to_continue = True
            with suppress(OSError):
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, data: bytes) -> int:
        """Send a few bytes at once."""
        return self.sock.send(data)

    def sendall(self, data: Any) -> None:
        """Keep an answer's bytes for `flush`; raises OSError where the client does not read."""
        self.unsent += data
        if len(self.unsent) > _PIECE_BYTES and self.flush() is None:
            raise BrokenPipeError(errno.EPIPE, "the client has gone")
        if len(self.unsent) > MAX_UNSENT_BYTES:
            raise BrokenPipeError(errno.EPIPE, "the client does not read its answers")

    def flush(self) -> bool | None:
        """Send what the client takes now; True if that is all, None if the client has gone."""
        sent = 0
        try:
            with memoryview(self.unsent) as view, suppress(BlockingIOError):
                while sent < len(view):
                    sent += self.sock.send(view[sent:])
        except OSError:
            return None
        del self.unsent[:sent]
        self.sent_bytes += sent
        return not self.unsent

    def send_on(self, most_unsent: int, until_s: float, idle_s: float) -> None:
        """Send for a thread, which waits while the client leaves more than `most_unsent` bytes.

        Raises OSError where the client has gone, or takes nothing for `idle_s` or until `until_s`.
        """
        poll = select.poll()
        poll.register(self.sock, select.POLLOUT)
        while True:
            if self.flush() is None:
                raise BrokenPipeError(errno.EPIPE, "the client has gone")
            if len(self.unsent) <= most_unsent:
                return
            left_s = min(idle_s, until_s - monotonic())
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise BrokenPipeError(errno.EPIPE, "the client does not read its answers")

    def end_sending(self) -> None:
        """Tell the client that nothing more comes; raises OSError if it has gone."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
