"""HTTP by Gunicorn's parts: what is parsed, what an app is given, and what goes over the wire."""

import socket
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

import pytest
from gunicorn.config import Config
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request as WsgiRequest

from topfive.images.limits import ImageLimits
from topfive.machine.sizing import Sizing
from topfive.route_table import STANDARD_TABLE, Work
from topfive.server.adapter import GunicornHttp
from topfive.server.connection import Connection
from topfive.server.http import BrokenRequest, Outcome
from topfive.server.limits import scheduler_limits
from topfive.service import ServiceLimits

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer with what was sent."""
    body = WsgiRequest(environ).get_data()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def ignore(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer without reading what was sent."""
    start_response("403 Forbidden", [("Content-Length", "0")])
    return []


class Exchange:
    """A connection on which one request is answered by an app."""

    def __init__(self) -> None:
        sock, self.client = socket.socketpair()
        self.client.settimeout(5)
        self.conn = Connection(sock, ("127.0.0.1", 5), ("127.0.0.1", 80))
        self.conn.head_s = monotonic()

    def answer(self, app: App, data: bytes, rest: bytes = b"", *, may_keep: bool = True) -> Outcome:
        """Have a request answered of which `data` was collected and `rest` arrives later."""
        adapter = GunicornHttp(Config(), app, 0.2)
        self.conn.received += data
        head = self.conn.find_head()
        assert head is not None
        self.conn.begin_body(adapter.parse_head(head, self.conn))
        self.conn.missing_bytes()
        self.conn.take_request()
        if rest:
            self.client.sendall(rest)
        return adapter.answer(self.conn, may_keep)

    @property
    def sent(self) -> bytes:
        """What the client was sent until now."""
        self.conn.flush()
        self.client.setblocking(False)
        try:
            return self.client.recv(1 << 16)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Close both ends."""
        self.conn.close()
        self.client.close()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """A connection and its client."""
    one = Exchange()
    yield one
    one.close()


class Described:
    """A service, as far as limits are read from it."""

    def __init__(self, sizing: Sizing) -> None:
        self.sizing = sizing
        self.limits = ServiceLimits(ImageLimits(), 30.0)

    def describe(self) -> "Described":
        """Tell what it is made of."""
        return self


@pytest.mark.parametrize("slots", [1, 4])
def test_limits_are_those_that_the_service_tells_of(slots: int) -> None:
    """What /info says of slots, queue and threads is what the scheduler goes by."""
    sizing = Sizing(2, slots, 16, 10**9, "a test", upload_bytes=50 * 1024**2, others=6)
    limits = scheduler_limits(Described(sizing), STANDARD_TABLE)  # type: ignore[arg-type]
    assert (limits.slots, limits.queue, limits.threads) == (slots, 16, sizing.threads)
    assert (limits.held_bytes, limits.request_s) == (50 * 1024**2, 30.0)
    assert limits.body_bytes == STANDARD_TABLE.most_body_bytes
    assert limits.batches.whole_s == 300.0


def test_two_of_the_largest_uploads_always_fit() -> None:
    """However little memory there is, one upload alone is never too much."""
    sizing = Sizing(2, 1, 16, 10**9, "a test", upload_bytes=1)
    limits = scheduler_limits(Described(sizing), STANDARD_TABLE)  # type: ignore[arg-type]
    assert limits.held_bytes == 2 * limits.body_bytes


def post(*headers: bytes, path: bytes = b"/predict") -> bytes:
    """Write the head of a POST."""
    return b"\r\n".join([b"POST %s HTTP/1.1" % path, b"Host: x", *headers, b"", b""])


@pytest.mark.parametrize(
    ("head", "work", "body_bytes"),
    [
        (post(b"Content-Length: 7"), Work.PREDICTION, 7),
        (post(b"Content-Length: 0"), Work.PREDICTION, 0),
        (post(b"Transfer-Encoding: chunked"), Work.PREDICTION, None),
        (post(b"Content-Length: 7", path=b"/predict?top_k=1"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"http://x/predict"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/%70redict"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/predict/batch"), Work.BATCH, 7),
        (post(b"Content-Length: 7", path=b"/predict/other"), Work.OTHER, 7),
        (post(b"Content-Length: 7", path=b"/invocations"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/v2/models/m/infer"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/v2/models/m/versions/1/infer"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/v2/models/%6D/infer?x"), Work.PREDICTION, 7),
        (post(b"Content-Length: 7", path=b"/v2/models/a/b/infer"), Work.OTHER, 7),
        (post(b"Content-Length: 7", path=b"/v2/models//infer"), Work.OTHER, 7),
        (b"GET /v2/models/m/infer HTTP/1.1\r\n\r\n", Work.OTHER, 0),
        (b"GET /v2/models/m/ready HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET /v2/health/ready HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET /ping HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET /predict HTTP/1.1\r\n\r\n", Work.OTHER, 0),
        (b"HEAD /health HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET /health HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET /readyz HTTP/1.0\r\n\r\n", Work.PROBE, 0),
        (b"GET /livez?x HTTP/1.1\r\n\r\n", Work.PROBE, 0),
        (b"GET / HTTP/1.1\r\n\r\n", Work.OTHER, 0),
        (b"\r\nGET /health HTTP/1.1\r\n\r\n", Work.PROBE, 0),
    ],
)
def test_a_head_tells_what_is_asked_for(
    exchange: Exchange, head: bytes, work: Work, body_bytes: int | None
) -> None:
    """The kind of work and the length of the body are read from the head."""
    parsed = GunicornHttp(Config(), echo, 1).parse_head(head, exchange.conn)
    assert (parsed.work, parsed.body_bytes) == (work, body_bytes)


@pytest.mark.parametrize(
    ("headers", "wants_continue", "origin"),
    [
        ((), False, ""),
        ((b"Expect: 100-continue",), True, ""),
        ((b"expect: 100-Continue", b"oRiGiN: https://a.example"), True, "https://a.example"),
    ],
)
def test_a_head_tells_what_a_refusal_needs(
    exchange: Exchange, headers: tuple[bytes, ...], wants_continue: bool, origin: str
) -> None:
    """Whether the client waits to send its body, and which page asks."""
    parsed = GunicornHttp(Config(), echo, 1).parse_head(post(*headers), exchange.conn)
    assert (parsed.wants_continue, parsed.origin) == (wants_continue, origin)


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x"])
def test_what_is_no_head_is_broken(exchange: Exchange, data: bytes) -> None:
    """Nothing, half a head and no HTTP are one failure."""
    with pytest.raises(BrokenRequest):
        GunicornHttp(Config(), echo, 1).parse_head(data, exchange.conn)


@pytest.mark.parametrize("data", [b"abcde", b"abc", b""])
def test_an_app_reads_a_body_whole(exchange: Exchange, data: bytes) -> None:
    """What was collected and what still arrives is one body, and the connection is kept."""
    outcome = exchange.answer(echo, post(b"Content-Length: 5") + data, b"abcde"[len(data) :])
    assert outcome is Outcome.KEEP
    assert exchange.sent.endswith(b"\r\n\r\nabcde")


def test_an_app_reads_collected_chunks_decoded(exchange: Exchange) -> None:
    """Chunks that were collected cost the connection nothing."""
    chunks = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    outcome = exchange.answer(echo, post(b"Transfer-Encoding: chunked") + chunks)
    assert outcome is Outcome.KEEP
    assert exchange.sent.endswith(b"\r\n\r\nabcde")


def test_what_is_read_behind_chunks_is_the_next_request(exchange: Exchange) -> None:
    """Their reader may read too far; that is given back, and the connection goes on."""
    head, behind = post(b"Transfer-Encoding: chunked"), b"GET /livez HTTP/1.1\r\n\r\n"
    last = b"2\r\nde\r\n0\r\n\r\n"
    outcome = exchange.answer(echo, head + b"3\r\nabc\r\n", last + behind)
    assert outcome is Outcome.KEEP
    assert exchange.sent.endswith(b"\r\n\r\nabcde")
    assert bytes(exchange.conn.received) == behind
    assert exchange.conn.taken_bytes == len(head) + 8 - len(behind)


def test_chunks_that_nobody_reads_end_the_connection(exchange: Exchange) -> None:
    """Where they end nobody has found out."""
    outcome = exchange.answer(ignore, post(b"Transfer-Encoding: chunked"), b"3\r\nabc\r\n")
    assert outcome is Outcome.LINGER
    assert b"\r\nConnection: close\r\n" in exchange.sent


def test_a_huge_chunk_sets_no_memory_aside(exchange: Exchange) -> None:
    """What a client announces is not what is read in one piece."""
    head = post(b"Transfer-Encoding: chunked")
    exchange.answer(reason_of_failed_read, head, b"7fffffffffffffff\r\nabc")
    assert b"TimeoutError" in exchange.sent


def test_a_body_that_nobody_reads_ends_the_connection_and_says_so(exchange: Exchange) -> None:
    """What the app did not read is not taken for the next request."""
    outcome = exchange.answer(ignore, post(b"Content-Length: 5") + b"abc", b"de")
    assert outcome is Outcome.LINGER
    assert b"\r\nConnection: close\r\n" in exchange.sent


def test_a_collected_body_that_nobody_reads_costs_nothing(exchange: Exchange) -> None:
    """It was taken from the connection already, which goes on."""
    outcome = exchange.answer(ignore, post(b"Content-Length: 5") + b"abcde")
    assert outcome is Outcome.KEEP
    assert b"\r\nConnection: keep-alive\r\n" in exchange.sent


@pytest.mark.parametrize(
    ("head", "may_keep"),
    [
        (post(b"Connection: close"), True),
        (b"POST / HTTP/1.0\r\n\r\n", True),
        (post(), False),
    ],
    ids=["asked for", "HTTP/1.0", "not wanted here"],
)
def test_a_connection_ends_after_an_answer(exchange: Exchange, head: bytes, may_keep: bool) -> None:
    """By the client's wish, by the version, or by the server's wish; and the answer says so."""
    assert exchange.answer(echo, head, may_keep=may_keep) is Outcome.CLOSE
    assert b"\r\nConnection: close\r\n" in exchange.sent


def test_an_app_that_reads_has_the_client_continue_once(exchange: Exchange) -> None:
    """A client that waits is told when the app wants its body, and not again."""
    head = post(b"Content-Length: 5", b"Expect: 100-continue")
    assert exchange.answer(echo, head, b"abcde") is Outcome.KEEP
    sent = exchange.sent
    assert sent.startswith(CONTINUE)
    assert sent.count(CONTINUE) == 1


def test_a_client_that_was_told_to_continue_is_not_told_again(exchange: Exchange) -> None:
    """The loop has told it already while it collected the body."""
    exchange.conn.was_told_to_continue = True
    head = post(b"Content-Length: 5", b"Expect: 100-continue")
    assert exchange.answer(echo, head + b"abc", b"de") is Outcome.KEEP
    assert CONTINUE not in exchange.sent


def test_a_client_that_is_refused_by_its_head_need_not_send_its_body(exchange: Exchange) -> None:
    """An app that does not read gets its answer sent without `100 Continue` before it."""
    head = post(b"Content-Length: 5", b"Expect: 100-continue")
    assert exchange.answer(ignore, head) is Outcome.LINGER
    assert exchange.sent.startswith(b"HTTP/1.1 403 ")


def reason_of_failed_read(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> list[bytes]:
    """Answer with why the body cannot be read."""
    reader = WsgiRequest(environ)
    reader.max_content_length = 1000
    try:
        reader.get_data()
    except ClientDisconnected as error:
        start_response("200 OK", [])
        return [type(error.__context__).__name__.encode()]
    raise AssertionError("it was read")


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        (b"Content-Length: 5", b"abc", b"ConnectionAbortedError"),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n", b"ConnectionAbortedError"),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\nx\r\n", b"BrokenRequest"),
        (b"Transfer-Encoding: chunked", b"3\r\nabcXX", b"BrokenRequest"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(
    exchange: Exchange, header: bytes, data: bytes, reason: bytes
) -> None:
    """An app can tell a client that has gone from one that sends no HTTP."""
    exchange.client.sendall(data)
    exchange.client.shutdown(socket.SHUT_WR)
    exchange.answer(reason_of_failed_read, post(header))
    assert reason in exchange.sent


def test_a_body_that_does_not_come_says_so(exchange: Exchange) -> None:
    """An app waits no longer than the whole request may take."""
    exchange.answer(reason_of_failed_read, post(b"Content-Length: 5"), b"abc")
    assert b"TimeoutError" in exchange.sent


def test_the_failure_of_a_client_that_has_gone_is_not_sent(exchange: Exchange) -> None:
    """An app's 499 is for the log; the connection is closed without a word."""

    def gone(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("499 gone", [])
        return [b"never sent"]

    assert exchange.answer(gone, post()) is Outcome.GONE
    assert exchange.sent == b""


def test_an_app_is_told_what_it_cannot_know(exchange: Exchange) -> None:
    """The clock of the request, how long it waited, and whether its client is still there."""
    seen: dict[str, Any] = {}

    def look(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.update(environ)
        seen["before"] = environ["topfive.client_has_gone"]()
        exchange.client.shutdown(socket.SHUT_WR)
        seen["after"] = environ["topfive.client_has_gone"]()
        return ignore(environ, start_response)

    exchange.conn.waited_s = 0.25
    exchange.answer(look, post(path=b"/a%20b?c=d"))
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/a b", "c=d")
    assert (seen["REMOTE_ADDR"], seen["SERVER_PORT"]) == ("127.0.0.1", "80")
    assert seen["topfive.head_s"] == exchange.conn.head_s
    assert seen["topfive.waited_s"] == 0.25
    assert seen["wsgi.multithread"]
    assert (seen["before"], seen["after"]) == (False, True)


def test_pieces_of_an_answer_are_closed(exchange: Exchange) -> None:
    """What an app opened for its answer is closed, as WSGI asks for."""

    class Pieces(list[bytes]):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    pieces = Pieces([b"a", b"b"])

    def send(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Pieces:
        start_response("200 OK", [])
        return pieces

    exchange.answer(send, post())
    assert pieces.is_closed
    assert exchange.sent.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "is_base64"), [(b"/predict", False), (b"/v2/models/m/infer", True), (b"/no", False)]
)
def test_a_head_tells_how_long_the_body_may_be(
    exchange: Exchange, path: bytes, is_base64: bool
) -> None:
    """A body that holds base64 may be a third longer than one that holds the picture itself."""
    head = post(b"Content-Length: 7", path=path)
    parsed = GunicornHttp(Config(), echo, 1).parse_head(head, exchange.conn)
    picture_bytes = ImageLimits().max_bytes
    needed_bytes = picture_bytes * 4 // 3 if is_base64 else picture_bytes
    assert needed_bytes < (parsed.most_body_bytes or 0) < needed_bytes + 100_000
