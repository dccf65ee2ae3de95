"""In a flood predictions are refused by the first bytes of new connections."""

import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest

from tests.functional.wire import answers_in
from tests.unit.server.loop_server import Held, LoopServer, Start
from topfive.route_table import STANDARD_TABLE, ErrorShape
from topfive.server.first_look import see_upload

HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: a.example\r\nContent-Type: image/jpeg\r\n"
    b"Content-Length: 5\r\n\r\n"
)
see = partial(see_upload, STANDARD_TABLE)


@pytest.mark.parametrize(
    ("data", "missing_bytes"),
    [
        (HEAD + b"hello", 0),
        (HEAD + b"he", 3),
        (HEAD, 5),
        (HEAD.replace(b"/predict", b"/predict?top_k=3&model=a"), 5),
        (HEAD.replace(b"Content-Length: 5", b"CONTENT-LENGTH:5  "), 5),
        (HEAD.replace(b"Content-Length: 5", b"Content-Length: 104857600"), 104857600),
    ],
)
def test_a_usual_prediction_is_seen(data: bytes, missing_bytes: int) -> None:
    """With as many bytes as its body lacks."""
    sight = see(data)
    assert sight is not None
    assert (sight.route.path, sight.missing_bytes) == ("/predict", missing_bytes)


def test_failures_of_a_route_keep_their_shape() -> None:
    """The Open Inference Protocol has its own."""
    sight = see(HEAD.replace(b"/predict", b"/v2/models/a/infer"))
    assert sight is not None
    assert sight.route.error_shape is ErrorShape.MESSAGE


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"hello!",
        HEAD[:-1],
        b"",
        b"\r\n\r\n",
        HEAD.replace(b"POST /predict", b"GET /health"),
        HEAD.replace(b"/predict", b"/predict/batch"),
        HEAD.replace(b"/predict", b"/nothing"),
        HEAD.replace(b"POST", b"post"),
        HEAD.replace(b"1.1", b"1.0"),
        HEAD.replace(b" /predict", b"  /predict"),
        HEAD.replace(b"Host", b"Origin"),
        HEAD.replace(b"Host: a.example", b"Expect: 100-continue"),
        HEAD.replace(b"Host: a.example", b"Transfer-Encoding: chunked"),
        HEAD.replace(b"Content-Length: 5\r\n", b""),
        HEAD.replace(b"Length: 5", b"Length: -5"),
        HEAD.replace(b"Length: 5", b"Length: 5, 5"),
        HEAD.replace(b"Length: 5", b"Length: 1234567890"),
        HEAD.replace(b"Length: 5", b"Length : 5"),
    ],
)
def test_everything_else_is_left_to_the_parser(data: bytes) -> None:
    """Probes, pages, other origins, what is not whole, and what is not HTTP."""
    assert see(data) is None


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as one:
        yield one


@pytest.fixture
def app() -> Held:
    """An app that answers when it may."""
    return Held(answer)


@pytest.fixture
def server(stack: ExitStack, app: Held) -> Iterator[LoopServer]:
    """A server whose slot and queue slot are taken."""
    server = LoopServer(stack, app, look=see)
    try:
        for _ in range(2):
            server.connect().sendall(HEAD + b"hello")
        server.wait_until(lambda: server.scheduler.is_full and app.begun.is_set())
        yield server
    finally:
        app.may_go_on.set()


def answer(_environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Answer with nothing."""
    start_response("200 OK", [("Content-Length", "0")])
    return []


@contextmanager
def flood(server: LoopServer, host: str) -> Iterator[None]:
    """Have very many requests from an address refused all along."""
    is_over = Event()

    def refuse_many() -> None:
        while not is_over.wait(0.001):
            for _ in range(20):
                server.scheduler.shed(host)

    thread = Thread(target=refuse_many)
    thread.start()
    try:
        server.wait_until(lambda: server.scheduler.is_flooded)
        yield
    finally:
        is_over.set()
        thread.join()


def connect_with(server: LoopServer, data: bytes) -> socket.socket:
    """Connect a client whose first bytes have come before it is accepted."""
    with server.turning:
        client = server.connect()
        client.sendall(data)
        return client


def read_to_end(client: socket.socket) -> list[tuple[int, str | None]]:
    """Read answers, and the end of the connection behind them."""
    data = b"".join(iter(lambda: client.recv(65536), b""))
    return [(one.status, one.headers["Connection"]) for one in answers_in(data)]


@pytest.mark.parametrize("size", [0, 5, 100_000, 1_000_000])
def test_an_upload_is_refused_and_its_connection_closed(server: LoopServer, size: int) -> None:
    """The answer is not lost, however large the body."""
    with flood(server, "192.0.2.1"):
        client = connect_with(server, HEAD.replace(b" 5\r", b" %d\r" % size))
        client.sendall(bytes(size))
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == [(503, "close")]
    server.wait_until(lambda: "overloaded" in server.noted.codes)


def test_an_upload_under_way_is_heard_to_its_end(server: LoopServer) -> None:
    """What still comes does not make the kernel take the answer back."""
    with flood(server, "192.0.2.1"):
        client = connect_with(server, HEAD.replace(b" 5\r", b" 300000\r"))
        server.wait_until(lambda: server.scheduler.connections == 3)
        client.sendall(bytes(300_000))
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == [(503, "close")]


def test_what_is_no_usual_prediction_is_parsed(server: LoopServer) -> None:
    """In a flood too a page gets its headers, and what is no HTTP is told so."""
    with flood(server, "192.0.2.1"):
        client = connect_with(server, b"nonsense\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == [(400, "close")]


def test_who_hammers_is_refused_later(server: LoopServer) -> None:
    """After a pause, and with its connection kept."""
    with flood(server, "127.0.0.1"):
        client = connect_with(server, HEAD + b"hello")
        server.wait_until(lambda: server.scheduler.due_in_s(0.0) < math.inf)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == [(503, "keep-alive")]


def test_who_is_held_back_gets_a_place_that_becomes_free(server: LoopServer, app: Held) -> None:
    """Nobody is refused while slots are free."""
    with flood(server, "127.0.0.1"):
        client = connect_with(server, HEAD + b"hello")
        server.wait_until(lambda: server.scheduler.due_in_s(0.0) < math.inf)
        app.may_go_on.set()
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == [(200, "keep-alive")]
