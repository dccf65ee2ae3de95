"""How a refusal is written that never reaches the app, and how it is noted."""

import json
import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from time import monotonic

from topfive.errors import FAILURES, Failure, Overloaded
from topfive.route_table import ErrorShape, Route
from topfive.server.connection import Connection
from topfive.server.http import Head
from topfive.telemetry.access import AccessLog, AccessRecord

_ID_BYTES = 16
# As long as an id, so that the body's length is right.
_ID_PLACE = b"{" * (2 * _ID_BYTES)

HeadersOf = Callable[[str], Mapping[str, str]]


def refusal(
    failure: Failure,
    headers: Mapping[str, str] | None = None,
    *,
    is_kept: bool = False,
    shape: ErrorShape = ErrorShape.PROBLEM,
) -> tuple[str, bytes]:
    """Write a whole HTTP response that tells of a failure; returns the request's id, and it.

    The connection is announced to close unless `is_kept`.
    """
    request_id = os.urandom(_ID_BYTES).hex()
    template = _template(
        failure.code,
        failure.detail,
        failure.retry_after_s,
        tuple((headers or {}).items()),
        is_kept,
        shape,
    )
    return request_id, template.replace(_ID_PLACE, request_id.encode())


@lru_cache(maxsize=128)
def _template(
    code: str,
    detail: str,
    retry_after_s: int | None,
    headers: tuple[tuple[str, str], ...],
    is_kept: bool,
    shape: ErrorShape,
) -> bytes:
    """Write a response with a place for the request's id; thousands a second may be the same."""
    kind = FAILURES[code]
    content_type, members = _BODIES[shape](kind, detail)
    body = json.dumps(members, separators=(",", ":"))
    lines = [
        f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}",
        f"Connection: {'keep-alive' if is_kept else 'close'}",
        f"Content-Type: {content_type}",
        *(f"{name}: {value}" for name, value in headers),
        *([] if retry_after_s is None else [f"Retry-After: {retry_after_s}"]),
        f"X-Request-ID: {_ID_PLACE.decode()}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


def _problem(kind: type[Failure], detail: str) -> tuple[str, dict[str, object]]:
    return "application/problem+json", {
        "type": f"/docs/errors#{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "request_id": _ID_PLACE.decode(),
    }


def _message(kind: type[Failure], detail: str) -> tuple[str, dict[str, object]]:
    return "application/json", {"error": kind(detail).message}


_BODIES = {ErrorShape.PROBLEM: _problem, ErrorShape.MESSAGE: _message}


class Refusals:
    """Writes refusals and counts them; `headers_of` an origin are those of the app."""

    def __init__(self, access_log: AccessLog, headers_of: HeadersOf) -> None:
        self._access_log = access_log
        self._headers_of = headers_of
        # To who is no page of another origin.
        self._headers = headers_of("")
        self._overloaded = 0

    def write(
        self, conn: Connection, head: Head | None, failure: Failure, *, is_kept: bool
    ) -> bytes:
        """Write the response that tells a client of a failure, and note it."""
        headers = self._headers_of(head.origin if head else "")
        route = head.route if head else None
        shape = route.error_shape if route else ErrorShape.PROBLEM
        request_id, response = refusal(failure, headers, is_kept=is_kept, shape=shape)
        if isinstance(failure, Overloaded):
            # A line in the log for each would cost more than refusing them.
            self._overloaded += 1
        else:
            self.note(conn, head, failure, request_id)
        return response

    def shed(self, failure: Failure, route: Route) -> bytes:
        """Write the response to a request that was not parsed, and whose connection is closed."""
        self._overloaded += 1
        return refusal(failure, self._headers, shape=route.error_shape)[1]

    def note(
        self, conn: Connection, head: Head | None, failure: Failure, request_id: str = ""
    ) -> None:
        """Note a failure of which its client is told, or cannot be told any more."""
        route = head.route if head else None
        self._access_log.record(
            AccessRecord(
                route.path if route else "unknown",
                route.method if route else "unknown",
                failure.status,
                failure.code,
                request_id or os.urandom(_ID_BYTES).hex(),
                (monotonic() - conn.began_s) * 1000,
            )
        )

    def report(self) -> None:
        """Log and count those that were refused because no queue slot was free."""
        count, self._overloaded = self._overloaded, 0
        if count:
            self._access_log.record_load_shed(count, Overloaded.code)
