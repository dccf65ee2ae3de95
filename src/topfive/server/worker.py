"""A Gunicorn thread worker that slow clients cannot fill.

Gunicorn's own gives a thread to every connection that has sent a byte, so a few clients that drip
their headers hold every thread. Here the main loop collects a request, without waiting for
anyone, and a thread is given to it when it is whole. A few threads may wait for bodies, so that
uploads are refused early while there is room; beyond those the loop collects bodies too.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic
from typing import Any

from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, ParseException
from gunicorn.workers.gthread import ThreadWorker

from topfive.errors import Failure, MalformedRequest, Overloaded, UploadTooSlow
from topfive.server.connection import Connection
from topfive.server.refusal import refusal
from topfive.telemetry.logs import get_logger

# From the first moment of a connection, or the first byte of a further request, to its whole head.
HEAD_ALLOWANCE_S = 10.0
# How many threads of a worker may wait for bodies that are still under way.
MAX_STREAMING = 16
# A longer body is never collected: the app refuses it by its announced length alone.
MAX_COLLECTED_BYTES = 64 * 1024 * 1024
# What one worker's loop holds of requests that are not whole; beyond it, they are refused.
MAX_HELD_BYTES = 128 * 1024 * 1024
# How long a client may take to read an answer that did not go out at once.
SEND_ALLOWANCE_S = 10.0
# How long, and how much, is read after an answer that came before its request was whole.
LINGER_S = 3.0
LINGER_BYTES = 64 * 1024 * 1024
MAX_LINGERING = 128

_REAP_EVERY_S = 0.5
_TOO_SLOW = "The request did not arrive in time. Try again over a faster line."
_BROKEN = "This is not HTTP that is understood here. Let a library build the request."
_CLIENT_ERRORS = (ParseException, InvalidChunkSize, ChunkMissingTerminator)


class PatientWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Collects requests in the main loop and gives threads to whole ones only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaiting: set[Connection] = set()
        self._sending: set[Connection] = set()
        self._lingering: dict[Connection, int] = {}
        self._streaming = 0
        self._held_bytes = 0
        self._reaped_s = 0.0
        self._body_allowance_s = float(self.cfg.graceful_timeout)

    def accept(self, listener: Any) -> None:
        """Accept a connection and wait for its first request."""
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, address, listener.getsockname(), self._linger)
        self._await_request(conn)

    def on_client_socket_readable(self, conn: Connection, _client: Any) -> None:
        """Collect the further request of a kept-alive connection."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)
        self._await_request(conn)
        self._collect(conn)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop: not ready from now on, so that load balancers look elsewhere."""
        # The signal may come while the app is still being built.
        app = getattr(self, "wsgi", None)
        if app is not None:
            app.service.drain()
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting for good only after everyone who already stands in line was let in."""
        if not enabled and not self.alive:
            self._accept_waiting()
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                # While this stays open the kernel would go on queueing clients that nobody serves.
                listener.close()

    def _accept_waiting(self) -> None:
        for listener in self.sockets:
            with suppress(OSError):
                while self.nr_conns < self.worker_connections:
                    count = self.nr_conns
                    self.accept(listener)
                    if self.nr_conns == count:
                        break

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Tell a client that its HTTP is broken; what it sent is not quoted, nor logged."""
        if not isinstance(exc, _CLIENT_ERRORS):
            super().handle_error(req, client, addr, exc)
            return
        get_logger().info("request_refused", code=MalformedRequest.code, kind=type(exc).__name__)
        with suppress(OSError):
            client.sendall(refusal(MalformedRequest(_BROKEN)))

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Note that a thread is free again; the rest is Gunicorn's."""
        if conn.is_streaming:
            conn.is_streaming = False
            self._streaming -= 1
        if conn.sock.unsent:
            self._send_rest(conn, fs)
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Close what has used up its time; Gunicorn calls this in every turn of its loop."""
        now_s = monotonic()
        if now_s - self._reaped_s < _REAP_EVERY_S:
            return
        self._reaped_s = now_s
        for conn in [conn for conn in self._awaiting if conn.expires_s <= now_s]:
            self._refuse(conn, UploadTooSlow(_TOO_SLOW))
        for conn in [conn for conn in self._sending if conn.expires_s <= now_s]:
            self._sending.discard(conn)
            self._drop(conn)
        for conn in [conn for conn in self._lingering if conn.expires_s <= now_s]:
            self._end_linger(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """When stopping, give everyone whose request is not whole a short while."""
        super()._cap_keepalive(deadline)
        for conn in list(self._awaiting):
            # Those just let in have had no time to send: they get the same short while.
            conn.expires_s = min(conn.expires_s, deadline)
        self._reaped_s = 0.0
        self.murder_pending()

    def _await_request(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        conn.expires_s = monotonic() + HEAD_ALLOWANCE_S
        self._awaiting.add(conn)
        self._watch(conn, partial(self._collect, conn))

    def _collect(self, conn: Connection, _sock: Any = None) -> None:
        had_head = conn.has_head
        if not self._read_into(conn):
            return
        if self._held_bytes > MAX_HELD_BYTES:
            self._refuse(conn, Overloaded("Too many slow uploads are under way. Try again later."))
        if not conn.has_head or conn not in self._awaiting:
            return
        if not had_head:
            conn.expires_s = monotonic() + self._body_allowance_s
        if self._may_start(conn):
            self._start(conn)

    def _read_into(self, conn: Connection) -> bool:
        """Read what has arrived; False if there is nothing to go on with."""
        before = conn.held_bytes
        try:
            is_open = conn.collect()
        except BlockingIOError:
            return False
        except OSError:
            is_open = False
        self._held_bytes += conn.held_bytes - before
        if not is_open:
            self._drop(conn)
        return is_open

    def _may_start(self, conn: Connection) -> bool:
        """Whether a thread may have this request: it is whole, too large, or there is room."""
        missing = conn.missing_bytes()
        if missing == 0:
            return True
        is_streamable = self._streaming < MAX_STREAMING
        if is_streamable or MAX_COLLECTED_BYTES < missing < inf:
            conn.is_streaming = True
            self._streaming += 1
            return True
        return False

    def _start(self, conn: Connection) -> None:
        self._forget(conn)
        conn.sock.read_until_s = conn.expires_s
        self.enqueue_req(conn)

    def _refuse(self, conn: Connection, failure: Failure) -> None:
        """Tell a client of a failure, if it had begun a request at all, and close."""
        if conn.held_bytes:
            with suppress(OSError):
                conn.sock.send(refusal(failure))
        self._drop(conn)

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: Connection) -> None:
        if conn in self._awaiting:
            self._awaiting.discard(conn)
            self._held_bytes -= conn.held_bytes
        self._unwatch(conn)

    def _send_rest(self, conn: Connection, fs: Any) -> None:
        """Send the rest of an answer as its client reads it, with no thread waiting."""
        conn.sock.setblocking(False)
        conn.expires_s = monotonic() + SEND_ALLOWANCE_S
        self._sending.add(conn)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send_more, conn, fs))

    def _send_more(self, conn: Connection, fs: Any, _sock: Any) -> None:
        try:
            is_done = conn.sock.send_more()
        except OSError:
            self._sending.discard(conn)
            self._drop(conn)
            return
        if is_done:
            self._sending.discard(conn)
            self._unwatch(conn)
            super().finish_request(conn, fs)

    def _linger(self, conn: Connection) -> None:
        """Half-close and go on reading for a while: closing at once would destroy the answer."""
        if len(self._lingering) >= MAX_LINGERING:
            conn.close()
            return
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        conn.expires_s = monotonic() + LINGER_S
        self._lingering[conn] = LINGER_BYTES
        self._watch(conn, partial(self._discard, conn))

    def _discard(self, conn: Connection, _sock: Any) -> None:
        try:
            count = len(conn.sock.recv(256 * 1024))
        except BlockingIOError:
            return
        except OSError:
            count = 0
        self._lingering[conn] -= count
        if count == 0 or self._lingering[conn] <= 0:
            self._end_linger(conn)

    def _end_linger(self, conn: Connection) -> None:
        del self._lingering[conn]
        self._unwatch(conn)
        conn.close()

    def _watch(self, conn: Connection, callback: Callable[[Any], None]) -> None:
        self.poller.register(conn.sock, selectors.EVENT_READ, callback)

    def _unwatch(self, conn: Connection) -> None:
        with suppress(KeyError, ValueError, OSError):
            self.poller.unregister(conn.sock)
