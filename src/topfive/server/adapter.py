"""The one module that knows Gunicorn's inside; a test names every attribute that it relies on.

Gunicorn's parser reads heads and bodies, its response class writes answers, its arbiter starts and
replaces workers. What happens in between is topfive's own event loop.
"""

import errno
import os
import time
from functools import partial
from io import BytesIO
from math import inf
from mmap import mmap
from typing import Any

from gunicorn.arbiter import Arbiter as GunicornArbiter
from gunicorn.http import wsgi
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.workers.base import Worker as GunicornWorker

from topfive.errors import ClientDisconnected, Overloaded
from topfive.route_table import STANDARD_TABLE, RouteTable, Work
from topfive.server.arriving import ArrivingBody, Portions, few_pieces
from topfive.server.balance import Balance
from topfive.server.connection import Connection
from topfive.server.event_loop import EventLoop
from topfive.server.http import BrokenRequest, Head, Outcome
from topfive.server.limits import scheduler_limits
from topfive.server.listening import HANDSHAKE_S, keep_send_buffers_small, refuse_new_connections
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.server.streamed_answer import StreamedAnswer
from topfive.server.upload import BatchLimits
from topfive.service import Service

# Loading a model takes seconds; workers that need longer are not waited for at a reload.
READY_WITHIN_S = 60.0
_POLL_S = 0.05
_TICK_S = 0.25


class Arbiter(GunicornArbiter):  # type: ignore[misc] # gunicorn has no types
    """Lets old workers go only when new ones serve, and ends without resetting a client."""

    def manage_workers(self) -> None:
        """Keep the number of workers; more than enough means that a reload is under way."""
        if len(self.WORKERS) > self.num_workers:
            self._wait_for_new_workers()
        super().manage_workers()

    def stop(self, graceful: bool = True) -> None:
        """Let no further client connect, then have the workers serve those that have, and end."""
        if graceful and not self._shares_listeners():
            for listener in self.LISTENERS:
                refuse_new_connections(listener)
        super().stop(graceful)

    def _shares_listeners(self) -> bool:
        # Handed over by systemd or to another Gunicorn (USR2), they go on serving without this one.
        return bool(self.systemd or self.reexec_pid or self.master_pid)

    def _wait_for_new_workers(self) -> None:
        deadline_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline_s and not self._new_workers_serve():
            self.reap_workers()
            time.sleep(_POLL_S)

    def _new_workers_serve(self) -> bool:
        by_age = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return all(_has_begun(worker) for worker in by_age[-self.num_workers :])


def _has_begun(worker: Any) -> bool:
    # A worker's first heartbeat, on the monotonic clock, comes when its app is loaded; until then
    # the file has the time of its making, on the wall clock.
    return bool(worker.tmp.last_update() <= time.monotonic())


class Worker(GunicornWorker):  # type: ignore[misc] # gunicorn has no types
    """One process that serves: Gunicorn starts it, loads its app and tells it when to end."""

    # The memory in which all workers note their connections; set before the worker runs.
    board: mmap
    _ticked_s = 0.0

    def run(self) -> None:
        """Serve until told to stop, then until everyone is answered."""
        service: Service = self.wsgi.service
        loop = self._open_loop(service)
        loop.start(self.PIPE[0])
        try:
            while self.alive and self.ppid == os.getppid():
                self._turn(loop, service)
                if loop.requests >= self.max_requests:
                    break
            self._stop(loop, service)
        finally:
            service.close()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop: not ready from now on, so that load balancers look elsewhere."""
        # The signal may come while the app is still being built.
        app = getattr(self, "wsgi", None)
        if app is not None:
            app.service.drain()
        super().handle_exit(sig, frame)

    def _open_loop(self, service: Service) -> EventLoop:
        routes: RouteTable = self.wsgi.route_table
        limits = scheduler_limits(service, routes)
        scheduler = UploadScheduler(limits, service.overloaded)
        service.count_waiting_with(lambda: scheduler.waiting)
        for listener in self.sockets:
            keep_send_buffers_small(listener)
        return EventLoop(
            self.sockets,
            scheduler,
            GunicornHttp(self.cfg, self.wsgi, limits.request_s, routes, limits.batches),
            Refusals(service.access_log, self.wsgi.headers_of_refusals),
            Balance(self.board, self.age),
            self.cfg.worker_connections,
        )

    def _turn(self, loop: EventLoop, service: Service, wait_s: float = _TICK_S) -> None:
        loop.turn(wait_s)
        now_s = time.monotonic()
        if now_s - self._ticked_s >= _TICK_S:
            self._ticked_s = now_s
            self.notify()
            service.note_gauges()
            loop.tick()

    def _stop(self, loop: EventLoop, service: Service) -> None:
        # Connections whose handshake is under way need a moment to be there to be accepted.
        end_s = time.monotonic() + HANDSHAKE_S
        while (left_s := end_s - time.monotonic()) > 0:
            self._turn(loop, service, left_s)
        loop.stop_accepting()
        end_s = time.monotonic() + self.cfg.graceful_timeout
        while loop.connections and time.monotonic() < end_s:
            self._turn(loop, service)


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


class GunicornHttp:
    """HTTP by Gunicorn's parser and response class, and answers by a WSGI app."""

    def __init__(
        self,
        cfg: Any,
        app: Any,
        request_s: float,
        routes: RouteTable = STANDARD_TABLE,
        batches: BatchLimits | None = None,
    ) -> None:
        self._cfg = cfg
        self._app = app
        self._request_s = request_s
        self._routes = routes
        self._batches = batches or BatchLimits()

    def parse_head(self, data: bytes, conn: Connection) -> Head:
        """Parse a head; raises BrokenRequest."""
        try:
            message = Request(self._cfg, BodyReader(data), conn.client)
        except (ParseException, NoMoreData, StopIteration) as error:
            raise BrokenRequest from error
        reader = message.body.reader
        route = self._routes.find(message.method, message.path)
        return Head(
            work=route.work if route else Work.OTHER,
            # A reader without a length reads nothing: there is no body.
            body_bytes=None if isinstance(reader, ChunkedReader) else getattr(reader, "length", 0),
            wants_continue=message._expected_100_continue,
            origin=next((value for name, value in message.headers if name == "ORIGIN"), ""),
            message=message,
            route=route,
            most_body_bytes=self._routes.body_bytes(route),
        )

    def answer(self, conn: Connection, may_keep: bool) -> Outcome:
        """Have the app answer the request that was taken; its bytes wait for `flush`.

        Raises BrokenRequest for a body that is not HTTP, and whatever the app raises.
        """
        assert conn.head is not None  # noqa: S101 - a request was taken
        message = conn.head.message
        try:
            response = self._run_app(conn, message, self._body(conn, message), may_keep)
        except OSError:
            return Outcome.GONE
        except (InvalidResponseHeader, InvalidResponseHeaderName):
            raise
        except ParseException as error:
            raise BrokenRequest from error
        conn.is_overloaded = response.status_code == Overloaded.status
        if response.status_code == ClientDisconnected.status:
            conn.unsent.clear()
            return Outcome.GONE
        if _is_unread(conn):
            return Outcome.LINGER
        conn.give_back(message.unreader.take_buffered())
        return Outcome.CLOSE if response.should_close() else Outcome.KEEP

    def _body(self, conn: Connection, message: Any) -> Any:
        """Return the file that the app reads the body from."""
        reader = message.body.reader
        message.unreader.go_on(conn.body)
        if conn.body_is_missing:
            whole_s, idle_s = self._patience(conn)
            portions = None
            if isinstance(reader, ChunkedReader):
                reader.parser = few_pieces(reader.parser)
                portions = Portions()
            message.unreader.wait_for(conn, conn.head_s + whole_s, idle_s, portions)
            return ArrivingBody(
                reader,
                partial(_ready_bytes, reader),
                ParseException,
                lambda timeout_s: not _is_unread(conn) or message.unreader.wait(timeout_s),
            )
        if isinstance(reader, ChunkedReader):
            return BytesIO(message.body.read())
        return BytesIO(conn.body)

    def _patience(self, conn: Connection) -> tuple[float, float]:
        """Tell how many seconds a body has in all, and how many may pass without a byte."""
        if conn.work is Work.BATCH:
            return self._batches.whole_s, self._batches.idle_s
        return self._request_s, inf

    def _run_app(self, conn: Connection, message: Any, body: Any, may_keep: bool) -> Any:
        message._expected_100_continue = False
        is_batch = conn.work is Work.BATCH
        out = StreamedAnswer(conn, self._batches, lambda: _is_unread(conn)) if is_batch else conn
        response, environ = wsgi.create(message, out, conn.client, conn.server, self._cfg)
        environ |= _told_to_app(conn, body)
        if not may_keep:
            response.force_close()

        def start_response(status: str, *given: Any) -> Any:
            # A batch that is answered while it arrives is read to its end, unless something fails.
            is_read_on = is_batch and status.startswith("2")
            if _is_unread(conn) and not is_read_on:
                response.force_close()
            return response.start_response(status, *given)

        pieces = self._app(environ, start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return response


def _told_to_app(conn: Connection, body: Any) -> dict[str, Any]:
    """Name what the app is told of a request beside what its head says."""
    told = (
        {"topfive.body_has_come": body.has_come}
        if conn.body_is_missing
        else {"topfive.body": body.getvalue()}
    )
    return told | {
        "wsgi.input": body,
        "wsgi.multithread": True,
        "topfive.head_s": conn.head_s,
        "topfive.waited_s": conn.waited_s,
        "topfive.client_has_gone": conn.has_gone,
        "topfive.only_cached": conn.only_cached,
    }


def _ready_bytes(reader: Any) -> int:
    """Tell how much of a body has been read from the connection and not by the app."""
    is_chunked = isinstance(reader, ChunkedReader)
    return int(reader.buf.tell() if is_chunked else reader.unreader.buf.tell())


def _is_unread(conn: Connection) -> bool:
    """Tell whether the client may still be sending what the app did not want to read."""
    assert conn.head is not None  # noqa: S101 - a request was taken
    reader = conn.head.message.body.reader
    is_read = reader.parser is None if isinstance(reader, ChunkedReader) else reader.length == 0
    return conn.body_is_missing and not is_read
