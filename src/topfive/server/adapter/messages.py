"""HTTP by Gunicorn's parser and response class."""

from collections.abc import Iterable
from math import inf
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request

from topfive.errors import ClientDisconnected, Overloaded
from topfive.route_table import STANDARD_TABLE, RouteTable, Work
from topfive.server.adapter.bodies import BodyReader, announced_bytes, is_unread, open_body
from topfive.server.connection import Connection
from topfive.server.http import BrokenRequest, Head, Outcome
from topfive.server.streamed_answer import StreamedAnswer
from topfive.server.upload import BatchLaneLimits, ExportLimits

_EXPORTS = ExportLimits()


class GunicornHttp:
    """HTTP by Gunicorn's parser and response class, and answers by a WSGI app."""

    def __init__(
        self,
        cfg: Any,
        app: Any,
        request_s: float,
        routes: RouteTable = STANDARD_TABLE,
        batches: BatchLaneLimits | None = None,
    ) -> None:
        self._cfg = cfg
        self._app = app
        self._request_s = request_s
        self._routes = routes
        self._batches = batches or BatchLaneLimits()

    def parse_head(self, data: bytes, conn: Connection) -> Head:
        """Parse a head; raises BrokenRequest."""
        try:
            message = Request(self._cfg, BodyReader(data), conn.client)
        except (ParseException, NoMoreData, StopIteration) as error:
            raise BrokenRequest from error
        route = self._routes.find(message.method, message.path)
        return Head(
            work=route.work if route else Work.OTHER,
            body_bytes=announced_bytes(message),
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
            body = open_body(conn, message, *self._patience(conn))
            response = self._run_app(conn, message, body, may_keep)
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
        if is_unread(conn):
            return Outcome.LINGER
        conn.give_back(message.unreader.take_buffered())
        return Outcome.CLOSE if response.should_close() else Outcome.KEEP

    def _patience(self, conn: Connection) -> tuple[float, float]:
        """Tell how many seconds a body has in all, and how many may pass without a byte."""
        if conn.work is Work.BATCH:
            return self._batches.whole_s, self._batches.idle_s
        return self._request_s, inf

    def _out(self, conn: Connection) -> Connection | StreamedAnswer:
        """Return what an answer is written to: collected, or where it may be long, sent at once."""
        route = conn.head.route if conn.head else None
        is_export = route is not None and route.is_export
        if not is_export and conn.work is not Work.BATCH:
            return conn
        limits = _EXPORTS if is_export else self._batches
        until_s = conn.head_s + limits.whole_s
        return StreamedAnswer(conn, until_s, limits.send_s, lambda: is_unread(conn))

    def _run_app(self, conn: Connection, message: Any, body: Any, may_keep: bool) -> Any:
        message._expected_100_continue = False
        is_batch = conn.work is Work.BATCH
        response, environ = wsgi.create(
            message, self._out(conn), conn.client, conn.server, self._cfg
        )
        environ |= _told_to_app(conn, body)
        if not may_keep:
            response.force_close()

        def start_response(status: str, *given: Any) -> Any:
            # A batch that is answered while it arrives is read to its end, unless something fails.
            is_read_on = is_batch and status.startswith("2")
            if is_unread(conn) and not is_read_on:
                response.force_close()
            return response.start_response(status, *given)

        pieces = self._app(environ, start_response)
        try:
            _write(response, pieces)
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return response


def _write(response: Any, pieces: Iterable[bytes]) -> None:
    """Write an answer; who has gone is told nothing, and of a batch each piece is sent at once."""
    for piece in pieces:
        # Not before: an app may begin its answer when it is asked for the first piece.
        if response.status_code == ClientDisconnected.status:
            return
        response.write(piece)
    if response.status_code != ClientDisconnected.status:
        response.close()


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
