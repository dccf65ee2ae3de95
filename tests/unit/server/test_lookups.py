"""Predictions where a cache is on, over real sockets: what it knows needs no slot."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.unit.server.loop_server import Held, LoopServer, Start, read_answer

KNOWN, UNKNOWN = b"known", b"other"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as one:
        yield one


class Cached:
    """An app that has one answer at hand, and makes the others when it may."""

    def __init__(self) -> None:
        self.slow = Held(_answer)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        """Answer from what is at hand, refuse, or wait."""
        if environ["topfive.body"] == KNOWN:
            return _answer(environ, start_response)
        if environ["topfive.only_cached"]:
            return _refuse(environ, start_response)
        return self.slow(environ, start_response)


def _answer(_environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    yield b"ok"


def _refuse(_environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    start_response("503 Unavailable", [("Content-Length", "2")])
    yield b"no"


def post(body: bytes) -> bytes:
    """Write a prediction's request."""
    return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_what_the_cache_knows_is_answered_while_every_queue_slot_is_taken(
    stack: ExitStack,
) -> None:
    """Others are told by the app that they have none, and after that some without being read."""
    app = Cached()
    server = LoopServer(stack, app, lookups=1)
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        client.sendall(post(UNKNOWN))
    server.wait_until(lambda: server.scheduler.is_full)
    other = server.connect()
    for body, answer in [
        (KNOWN, (200, b"ok")), (UNKNOWN, (503, b"no")), (KNOWN, None), (KNOWN, (200, b"ok")),
    ]:  # fmt: skip
        other.sendall(post(body))
        found = read_answer(other)
        assert found == answer or (answer is None and b"overloaded" in found[1])
    app.slow.may_go_on.set()
    assert [read_answer(client) for client in clients] == [(200, b"ok")] * 2


def test_what_the_cache_knows_is_answered_while_every_slot_is_taken(stack: ExitStack) -> None:
    """A prediction has a thread before it has a slot, and is told nothing of a full queue."""
    app = Cached()
    server = LoopServer(stack, app, lookups=1)
    client, other = server.connect(), server.connect()
    client.sendall(post(UNKNOWN))
    assert app.slow.begun.wait(10)
    other.sendall(post(KNOWN))
    assert read_answer(other) == (200, b"ok")
    app.slow.may_go_on.set()
    assert read_answer(client) == (200, b"ok")


def test_without_a_cache_nothing_is_tried(stack: ExitStack) -> None:
    """Without a queue slot a prediction is refused unread."""
    app = Cached()
    server = LoopServer(stack, app)
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        client.sendall(post(UNKNOWN))
    server.wait_until(lambda: server.scheduler.is_full)
    other = server.connect()
    other.sendall(post(KNOWN))
    assert b"overloaded" in read_answer(other)[1]
    app.slow.may_go_on.set()
    assert [read_answer(client) for client in clients] == [(200, b"ok")] * 2
