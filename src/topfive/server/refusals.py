"""Failures told from below the app, to clients whose requests never reach it."""

import json
import os
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus
from time import monotonic

from topfive.errors import FAILURES, Failure, Overloaded
from topfive.server.connection import Connection
from topfive.server.lingering import Lingering
from topfive.service import Answered, Service

_ID_BYTES = 16
# As long as an id, so that the body's length is right.
_ID_PLACE = b"{" * (2 * _ID_BYTES)


def refusal(failure: Failure, is_kept: bool = False) -> tuple[str, bytes]:
    """Write a whole HTTP response that tells of a failure; returns the request's id, and it.

    The connection is announced to close unless `is_kept`.
    """
    request_id = os.urandom(_ID_BYTES).hex()
    template = _template(failure.code, failure.detail, failure.retry_after_s, is_kept)
    return request_id, template.replace(_ID_PLACE, request_id.encode())


@lru_cache(maxsize=128)
def _template(code: str, detail: str, retry_after_s: int | None, is_kept: bool) -> bytes:
    """Write a response with a place for the request's id; thousands a second may be the same."""
    kind = FAILURES[code]
    problem = {
        "type": f"/docs/errors#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "request_id": _ID_PLACE.decode(),
    }
    body = json.dumps(problem, separators=(",", ":"))
    wait = "" if retry_after_s is None else f"Retry-After: {retry_after_s}\r\n"
    head = (
        f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n"
        f"Connection: {'keep-alive' if is_kept else 'close'}\r\n"
        f"Content-Type: application/problem+json\r\n{wait}"
        f"X-Request-ID: {_ID_PLACE.decode()}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


class Refusals:
    """Refuses requests from the main loop, and keeps account of it."""

    def __init__(self, service: Service, lingering: Lingering) -> None:
        self._service = service
        self._lingering = lingering
        self._turned_away = 0

    def refuse(self, conn: Connection, failure: Failure) -> None:
        """Tell a client of a failure and close."""
        route = "/predict" if conn.is_prediction else "unknown"
        with suppress(OSError):
            conn.sock.send(self.answer(route, failure, conn.began_s))
        self._lingering.begin(conn)

    def turn_away(self, conn: Connection, failure: Failure, may_keep: bool) -> bool:
        """Tell a client of a failure at the least cost; False if its connection is closed."""
        self._turned_away += 1
        is_kept = conn.discard() and may_keep
        with suppress(OSError):
            conn.sock.send(refusal(failure, is_kept)[1])
        if not is_kept:
            self._lingering.begin(conn)
        return is_kept

    def answer(self, route: str, failure: Failure, began_s: float) -> bytes:
        """Write the response that tells of a failure, and its line in the log."""
        request_id, response = refusal(failure)
        method = "POST" if route == "/predict" else "unknown"
        duration_ms = (monotonic() - began_s) * 1000
        self._service.record(
            Answered(route, method, failure.status, failure.code, request_id, duration_ms)
        )
        return response

    def report(self) -> None:
        """Log how many were turned away: a line for each would cost more than refusing them."""
        if self._turned_away:
            self._service.record_turned_away(self._turned_away, Overloaded.code)
            self._turned_away = 0
