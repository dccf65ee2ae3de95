"""A Gunicorn thread worker that slow clients cannot fill.

Gunicorn's own gives a thread to every connection that has sent a byte, so a few clients that drip
their headers hold every thread. Here the main loop collects a request, without waiting for
anyone, and a thread is given to it when it is whole. A few threads may wait for bodies, so that
uploads are refused early while there is room; beyond those the loop collects bodies too. While
every place is taken the loop refuses uploads by itself: what is refused must cost next to nothing.
"""

from collections import deque
from contextlib import suppress
from functools import partial
from math import inf
from selectors import EVENT_READ
from time import monotonic
from typing import Any

from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, ParseException
from gunicorn.workers.gthread import ThreadWorker

from topfive.errors import (
    Failure,
    InternalError,
    MalformedRequest,
    Overloaded,
    ShuttingDown,
    UploadTooSlow,
)
from topfive.server.connection import Connection
from topfive.server.lingering import Lingering
from topfive.server.listening import HANDSHAKE_S, keep_send_buffers_small
from topfive.server.refusals import Refusals
from topfive.server.sending import Sending
from topfive.service import Service
from topfive.telemetry.logs import get_logger

# From the first moment of a connection, or the first byte of a further request, to its whole head.
HEAD_ALLOWANCE_S = 10.0
# How many threads of a worker may wait for bodies that are still under way.
MAX_STREAMING = 8
# How many threads of a worker may answer what is neither a picture nor a probe, such as pages and
# their assets: a burst of those must not make probes wait for Python's lock.
MAX_BROWSING = 4
# Requests this small are never given up to make room for others.
SMALL_BYTES = 64 * 1024

_REAP_EVERY_S = 0.5
_NOTIFY_EVERY_S = 0.25
_FEW_PLACES = 3
_TOO_SLOW = "The request did not arrive in time. Try again over a faster connection."
_STOPPED = ShuttingDown(
    "The service stopped before the whole request was there. Try again.", retry_after_s=1
)
_TOO_MANY = "Too many uploads are under way. Try again later."
_BROKEN = "This is not HTTP that is understood here. Let a library build the request."
_CLIENT_ERRORS = (ParseException, InvalidChunkSize, ChunkMissingTerminator)


class PatientWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """Collects requests in the main loop and gives threads to whole ones only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._awaiting: set[Connection] = set()
        self._streaming: set[Connection] = set()
        self._predicting = 0
        self._browsing = 0
        self._browsers: deque[Connection] = deque()
        self._held_bytes = 0
        self._reaped_s = 0.0
        self._notified_s = 0.0
        self._body_allowance_s = float(self.cfg.graceful_timeout)

    def run(self) -> None:
        """Serve; the app is loaded and the poller is there."""
        self._lingering = Lingering(self.poller)
        self._sending = Sending(self.poller, super().finish_request, self._let_go)
        self._service: Service = self.wsgi.service
        sizing, max_bytes = self._service.describe().sizing, self._service.limits.image.max_bytes
        self._places: int = sizing.slots + sizing.queue
        self._max_body_bytes: int = max_bytes + SMALL_BYTES
        self._max_held_bytes = max(sizing.upload_bytes, 2 * self._max_body_bytes)
        self._refusals = Refusals(self._service, self._lingering)
        # Streaming uploads cannot be given up, so they may take half of what is held at most.
        fitting = self._max_held_bytes // (2 * self._max_body_bytes)
        self._max_streaming: int = min(MAX_STREAMING, fitting)
        for listener in self.sockets:
            keep_send_buffers_small(listener)
        super().run()

    def notify(self) -> None:
        """Tell the arbiter that this worker lives; Gunicorn would do so in every turn."""
        now_s = monotonic()
        if now_s - self._notified_s > _NOTIFY_EVERY_S:
            self._notified_s = now_s
            super().notify()

    def accept(self, listener: Any) -> None:
        """Accept a connection and collect what it has sent already."""
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

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop: not ready from now on, so that load balancers look elsewhere."""
        # The signal may come while the app is still being built.
        app = getattr(self, "wsgi", None)
        if app is not None:
            app.service.drain()
        super().handle_exit(sig, frame)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Stop accepting only after every connection that is already queued was accepted."""
        if not enabled and not self.alive:
            self._serve_latecomers()
            self._accept_waiting()
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                # While this stays open the kernel would go on queueing clients that nobody serves.
                listener.close()

    def _serve_latecomers(self) -> None:
        """Go on for as long as connections that are half open need to be complete."""
        end_s = monotonic() + HANDSHAKE_S
        while (left_s := end_s - monotonic()) > 0:
            self.wait_for_and_dispatch_events(left_s)

    def _accept_waiting(self) -> None:
        for listener in self.sockets:
            with suppress(OSError):
                while self.nr_conns < self.worker_connections:
                    count = self.nr_conns
                    self.accept(listener)
                    if self.nr_conns == count:
                        break

    def handle_error(self, _req: Any, client: Any, _addr: Any, exc: BaseException) -> None:
        """Tell a client that its HTTP is broken; what it sent is not quoted, nor logged."""
        failure: Failure = MalformedRequest(_BROKEN)
        if not isinstance(exc, _CLIENT_ERRORS):
            get_logger().error("unforeseen_error", kind=type(exc).__name__)
            failure = InternalError()
        with suppress(OSError):
            client.sendall(self._refusals.answer("unknown", failure, monotonic()))

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Note that a thread is free again; the rest is Gunicorn's."""
        self._streaming.discard(conn)
        self._predicting -= conn.is_predicting
        self._browsing -= conn.is_browsing
        self._held_bytes -= conn.cost_bytes
        conn.is_predicting = conn.is_browsing = False
        conn.cost_bytes = 0
        if conn.sock.unsent:
            self._sending.begin(conn, fs)
        else:
            super().finish_request(conn, fs)
        self._let_browse()

    def murder_pending(self) -> None:
        """Close what has used up its time; Gunicorn calls this in every turn of its loop."""
        now_s = monotonic()
        if now_s - self._reaped_s < _REAP_EVERY_S:
            return
        self._reaped_s = now_s
        self._service.note_gauges()
        for conn in [conn for conn in self._awaiting if conn.expires_s <= now_s]:
            self._refuse(conn, UploadTooSlow(_TOO_SLOW) if self.alive else _STOPPED)
        self._refusals.report()
        self._sending.close_expired(now_s)
        self._lingering.close_expired(now_s)

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
        conn.began_s = monotonic()
        conn.expires_s = conn.began_s + HEAD_ALLOWANCE_S
        self._awaiting.add(conn)
        # Often all of it has come already, and the poller need not know of it.
        self._collect(conn)
        if conn in self._awaiting:
            conn.is_watched = True
            self.poller.register(conn.sock, EVENT_READ, partial(self._collect, conn))

    def _collect(self, conn: Connection, _sock: Any = None) -> None:
        had_head = conn.has_head
        if not self._read_into(conn):
            return
        self._make_room()
        if conn in self._awaiting and conn.has_head:
            if not had_head:
                conn.expires_s = monotonic() + self._body_allowance_s
            self._go_on(conn)

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

    def _make_room(self) -> None:
        """Give up the uploads that have taken longest while more is held than may be."""
        while self._held_now() > self._max_held_bytes:
            large = [conn for conn in self._awaiting if conn.held_bytes > SMALL_BYTES]
            if not large:
                return
            oldest = min(large, key=lambda conn: conn.began_s)
            self._refuse(oldest, Overloaded(_TOO_MANY, retry_after_s=1))

    def _held_now(self) -> int:
        streamed: int = sum(conn.sock.received_bytes for conn in self._streaming)
        return self._held_bytes + streamed

    def _go_on(self, conn: Connection) -> None:
        """Refuse an upload for which there is no place, start one that may, or collect on."""
        if conn.is_prediction and (failure := self._no_place()):
            self._turn_away(conn, failure)
        elif self._may_start(conn, conn.missing_bytes()):
            self._start(conn)

    def _no_place(self) -> Overloaded | None:
        # Those that a thread has and the gate has not yet seen count too, or a burst would pass. A
        # thread is noted as free only after its answer was read, which few places must not feel.
        are_many = self._predicting >= max(self._places, _FEW_PLACES)
        return self._service.overload(are_many)

    def _may_start(self, conn: Connection, missing_bytes: float) -> bool:
        """Whether a thread may have this request: it is whole, too large, or there is room."""
        if missing_bytes == 0:
            conn.is_predicting = conn.is_prediction
            conn.is_browsing = not (conn.is_prediction or conn.is_probe)
            return True
        if self._may_stream():
            self._streaming.add(conn)
            return True
        # What is too large is not collected: the app refuses it by its announced length alone, or
        # as soon as it has read as much as it may.
        too_large = self._max_body_bytes < missing_bytes < inf
        return too_large or conn.held_bytes > self._max_body_bytes

    def _may_stream(self) -> bool:
        # While there is much to do a body is collected first: by then its place may be taken, and
        # the loop turns an upload away for a fraction of what the app would need.
        is_calm = self._predicting < max(1, self._places // 8)
        return is_calm and len(self._streaming) < self._max_streaming

    def _start(self, conn: Connection) -> None:
        # Handed over is not gone: what was collected counts until the thread has done with it.
        conn.cost_bytes = conn.held_bytes
        self._forget(conn)
        self._held_bytes += conn.cost_bytes
        self._predicting += conn.is_predicting
        conn.sock.received_bytes = 0
        conn.sock.read_until_s = conn.expires_s
        if conn.is_browsing:
            self._browsers.append(conn)
            self._let_browse()
        else:
            self.enqueue_req(conn)

    def _let_browse(self) -> None:
        while self._browsers and self._browsing < MAX_BROWSING:
            self._browsing += 1
            self.enqueue_req(self._browsers.popleft())

    def _turn_away(self, conn: Connection, failure: Failure) -> None:
        """Refuse at the least cost an upload for which there is no place."""
        self._forget(conn)
        may_keep = self.alive and len(self.keepalived_conns) < self.max_keepalived
        if self._refusals.turn_away(conn, failure, may_keep):
            self._keep(conn)
        else:
            self.nr_conns -= 1

    def _keep(self, conn: Connection) -> None:
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        readable = partial(self.on_client_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, readable)

    def _refuse(self, conn: Connection, failure: Failure) -> None:
        """Tell a client of a failure, if it had begun a request at all, and close."""
        self._forget(conn)
        self.nr_conns -= 1
        if conn.held_bytes:
            self._refusals.refuse(conn, failure)
        else:
            conn.close()

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        self._let_go(conn)

    def _let_go(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: Connection) -> None:
        self._awaiting.discard(conn)
        self._held_bytes -= conn.held_bytes
        if conn.is_watched:
            conn.is_watched = False
            self.poller.unregister(conn.sock)

    def _linger(self, conn: Connection) -> None:
        self._lingering.begin(conn)
