"""What a client is sent that is refused below the app, and what is noted of it."""

import http.client
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live_server import Answer
from topfive.errors import FAILURES, MalformedRequest, Overloaded, UploadTooSlow
from topfive.route_table import STANDARD_TABLE, ErrorShape, Work
from topfive.server.connection import Connection
from topfive.server.http import Head
from topfive.server.refusals import Refusals, refusal

SENDABLE = {code: kind for code, kind in FAILURES.items() if kind.status != 499}


class Bytes:
    """A socket of which http.client reads these bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """Open them as a file."""
        return io.BytesIO(self._data)


def read(response: bytes) -> Answer:
    """Read a response as a client does."""
    parsed = http.client.HTTPResponse(Bytes(response))  # type: ignore[arg-type]
    parsed.begin()
    return Answer(parsed.status, parsed.headers, parsed.read())


class NotedAccesses:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.noted: list[Any] = []

    def record(self, record: Any) -> None:
        """Note one answered request."""
        self.noted.append(record)

    def record_load_shed(self, count: int, code: str) -> None:
        """Note uploads that were refused together."""
        self.noted.append((count, code))


@pytest.fixture
def access_log() -> NotedAccesses:
    """What refusals are told to."""
    return NotedAccesses()


@pytest.fixture
def refusals(access_log: NotedAccesses) -> Refusals:
    """Refusals with the headers of an app that lets pages of one origin read its answers."""
    allowed = {"https://a.example": {"Access-Control-Allow-Origin": "https://a.example"}}
    headers = {"X-Content-Type-Options": "nosniff"}
    return Refusals(access_log, lambda origin: headers | allowed.get(origin, {}))  # type: ignore[arg-type]


@pytest.fixture
def conn() -> Iterator[Connection]:
    """A connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours, ("127.0.0.1", 1), ("127.0.0.1", 2))


def head(method: str = "POST", path: str = "/predict", origin: str = "") -> Head:
    """Make a parsed head."""
    route = STANDARD_TABLE.find(method, path)
    return Head(route.work if route else Work.OTHER, 10, False, origin, None, route)


@pytest.mark.parametrize("code", SENDABLE)
def test_every_failure_can_be_told(code: str) -> None:
    """A response is whole HTTP, with a problem of the same shape as the app's."""
    request_id, response = refusal(SENDABLE[code]("Some detail."))
    answer = read(response)
    assert (answer.status, answer.code) == (SENDABLE[code].status, code)
    assert answer.json == {
        "type": f"/docs/errors#{code}",
        "title": SENDABLE[code].title,
        "status": SENDABLE[code].status,
        "detail": "Some detail.",
        "code": code,
        "request_id": request_id,
    }
    assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize("code", SENDABLE)
def test_every_failure_can_be_told_as_one_text(code: str) -> None:
    """Where a route's callers expect one text, it has the code and what to do."""
    _, response = refusal(SENDABLE[code]("Some detail."), shape=ErrorShape.MESSAGE)
    answer = read(response)
    assert answer.status == SENDABLE[code].status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {"error": f"{code}: Some detail."}
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_every_response_has_an_id_of_its_own() -> None:
    """Two of the same failure differ in their ids alone."""
    (first_id, first), (second_id, second) = (
        refusal(MalformedRequest()),
        refusal(MalformedRequest()),
    )
    assert first_id != second_id
    assert first.replace(first_id.encode(), second_id.encode()) == second


@pytest.mark.parametrize(("is_kept", "connection"), [(False, "close"), (True, "keep-alive")])
def test_it_says_whether_the_connection_is_kept(is_kept: bool, connection: str) -> None:
    """A client reads from the response whether it may ask again on the same connection."""
    assert read(refusal(Overloaded(), is_kept=is_kept)[1]).headers["Connection"] == connection


@pytest.mark.parametrize(("after_s", "header"), [(None, None), (7, "7")])
def test_retry_after_is_told_where_it_is_known(after_s: int | None, header: str | None) -> None:
    """Only a failure for which waiting helps has the header."""
    answer = read(refusal(Overloaded(retry_after_s=after_s))[1])
    assert answer.headers["Retry-After"] == header


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://a.example", "https://a.example"), ("https://b.example", None), ("", None)],
)
def test_it_carries_the_headers_of_the_app(
    refusals: Refusals, conn: Connection, origin: str, allowed: str | None
) -> None:
    """A page of an allowed origin can read why; security headers are always there."""
    response = refusals.write(conn, head(origin=origin), Overloaded(), is_kept=False)
    answer = read(response)
    assert answer.headers["Access-Control-Allow-Origin"] == allowed
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("parsed", "route", "method"),
    [
        (None, "unknown", "unknown"),
        (head("POST", "/nothing"), "unknown", "unknown"),
        (head(), "/predict", "POST"),
        (head("HEAD", "/sample/7"), "/sample/{number}", "GET"),
    ],
)
def test_a_refusal_is_noted_like_an_answer(
    refusals: Refusals,
    access_log: NotedAccesses,
    conn: Connection,
    parsed: Head | None,
    route: str,
    method: str,
) -> None:
    """The log line has the route where it is known, the code, and the id that was sent."""
    response = refusals.write(conn, parsed, UploadTooSlow(), is_kept=False)
    (noted,) = access_log.noted
    assert (noted.route, noted.method) == (route, method)
    assert (noted.status, noted.code) == (408, "upload_too_slow")
    assert noted.request_id == json.loads(response.partition(b"\r\n\r\n")[2])["request_id"]
    assert noted.duration_ms > 0


def test_overload_is_noted_in_one_line(
    refusals: Refusals, access_log: NotedAccesses, conn: Connection
) -> None:
    """Those without a queue slot are counted together, once, and not again."""
    for _ in range(3):
        refusals.write(conn, head(), Overloaded(), is_kept=True)
    assert access_log.noted == []
    refusals.report()
    refusals.report()
    assert access_log.noted == [(3, "overloaded")]
