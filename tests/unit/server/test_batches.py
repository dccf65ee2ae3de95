"""Batches over real sockets: read while they arrive, answered while they are made."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from threading import Event
from typing import Any

import pytest

from tests.unit.server.loop_server import (
    MOST_BYTES,
    Held,
    LoopServer,
    Start,
    read_answer,
    read_until,
)
from topfive.server.http import BrokenRequest

HEAD = b"POST /predict/batch HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as one:
        yield one


def in_chunks(data: bytes) -> bytes:
    """Write a chunk of a body, or its end."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def tell_pieces(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
    """Answer with a line for each piece of the body, as soon as it has come."""
    start_response("200 OK", [("Content-Type", "application/x-ndjson")])
    while piece := environ["wsgi.input"].read1():
        yield b"<%s>\n" % piece


@pytest.mark.parametrize("is_chunked", [False, True], ids=["of a known length", "in chunks"])
def test_a_batch_is_answered_while_it_arrives(stack: ExitStack, is_chunked: bool) -> None:
    """The line of what has come is there before the rest is sent, and the connection is kept."""
    server = LoopServer(stack, tell_pieces)
    client = server.connect()
    told = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 9"
    write: Callable[[bytes], bytes] = in_chunks if is_chunked else bytes
    for _ in range(2):
        client.sendall(HEAD + told + b"\r\n\r\n")
        for piece in (b"one", b"two", b"six"):
            client.sendall(write(piece))
            found = read_until(client, b"<%s>\n" % piece)
            assert found.startswith(b"HTTP/1.1 200 OK") == (piece == b"one")
        if is_chunked:
            client.sendall(in_chunks(b""))
        # The end may have come together with the last line.
        if not found.endswith(b"0\r\n\r\n"):
            read_until(client, b"0\r\n\r\n")
    server.wait_until(lambda: server.loop.requests == 2)


def test_a_batch_that_came_whole_is_read_alike(stack: ExitStack) -> None:
    """Where all of it is there at once the app reads it in the same way."""
    server = LoopServer(stack, tell_pieces)
    client = server.connect()
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\none")
    assert read_answer(client) == (200, b"<one>\n")


def test_a_client_is_told_to_continue_when_its_batch_is_read(stack: ExitStack) -> None:
    """One that waits for its turn is not asked to send."""
    app = Held(tell_pieces)
    server = LoopServer(stack, app, at_work=1)
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        client.sendall(HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert app.begun.wait(10)
    time.sleep(0.1)
    for client in clients:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(100)
        client.settimeout(10)
    app.may_go_on.set()
    for client in clients:
        read_until(client, b"100 Continue\r\n\r\n")
        client.sendall(b"one")
        read_until(client, b"<one>")


def send_all_that_fits(client: socket.socket) -> int:
    """Send until nobody takes any more; returns how many bytes were taken."""
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sent += client.send(bytes(65536))
            time.sleep(0.002)
    return sent


def take_all(environ: dict[str, Any], start_response: Start) -> list[bytes]:
    """Answer with how much was sent, which is thrown away piece by piece."""
    count = 0
    while piece := environ["wsgi.input"].read1():
        count += len(piece)
    start_response("200 OK", [])
    return [b"%d" % count]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["of a known length", "in chunks"])
def test_a_batch_is_not_held(stack: ExitStack, is_chunked: bool) -> None:
    """Far more bytes than a worker may hold of uploads pass through."""
    server = LoopServer(stack, take_all)
    client, size, count = server.connect(), 1 << 20, 24
    told = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % (size * count)
    client.sendall(HEAD + told + b"\r\n\r\n")
    for _ in range(count):
        client.sendall(in_chunks(bytes(size)) if is_chunked else bytes(size))
    if is_chunked:
        client.sendall(in_chunks(b""))
    assert read_answer(client) == (200, b"%d" % (size * count))


def test_a_flood_of_tiny_chunks_is_no_batch(stack: ExitStack) -> None:
    """Reading them would take a thousand times as long as what is in them."""
    failures: list[str] = []
    begun = Event()

    def read(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        begun.set()
        try:
            return take_all(environ, start_response)
        except BrokenRequest as error:
            failures.append(type(error).__name__)
            raise

    server = LoopServer(stack, read)
    client = server.connect()
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + in_chunks(b"x"))
    assert begun.wait(10)
    client.sendall(in_chunks(b"x") * 17_000)
    assert read_answer(client)[0] == 400
    assert failures == ["BrokenRequest"]


def test_what_is_announced_to_be_too_large_need_not_wait(stack: ExitStack) -> None:
    """The app refuses it by its length, while other batches are at work; the connection ends."""
    may_end, begun = Event(), Event()

    def refuse(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        if int(environ["CONTENT_LENGTH"]) > MOST_BYTES:
            start_response("413 Too Large", [("Content-Length", "0")])
            return []
        begun.set()
        assert may_end.wait(10)
        return take_all(environ, start_response)

    server = LoopServer(stack, refuse, at_work=1)
    client, large = server.connect(), server.connect()
    client.sendall(HEAD + b"Content-Length: 3\r\n\r\nabc")
    assert begun.wait(10)
    large.sendall(HEAD + b"Content-Length: 999999999\r\n\r\n" + bytes(100))
    assert b"Connection: close" in read_until(large, b"413 Too Large")
    may_end.set()
    assert read_answer(client)[0] == 200


def test_a_client_that_reads_only_afterwards_is_no_fault(stack: ExitStack) -> None:
    """What it leaves while it sends is kept, and is there when it reads."""

    def answer(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        while environ["wsgi.input"].read(1000):
            yield bytes(100_000)

    server = LoopServer(stack, answer, send_s=0.2)
    client = server.connect(receive_bytes=4096)
    client.sendall(HEAD + b"Content-Length: 30000\r\n\r\n")
    for _ in range(30):
        client.sendall(bytes(1000))
        # Longer in all than it has to read once its body is whole.
        time.sleep(0.02)
    assert read_answer(client) == (200, bytes(3_000_000))


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_client_that_does_not_read_ends_its_batch(stack: ExitStack, is_whole: bool) -> None:
    """Its body being whole, or more than 4 MiB waiting, it has a while; then the app is told."""
    is_closed = Event()

    def answer(environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(500 if is_whole else 50_000):
                environ["wsgi.input"].read(1)
                yield bytes(20_000)
        finally:
            is_closed.set()

    server = LoopServer(stack, answer, send_s=0.2)
    client = server.connect(receive_bytes=4096)
    client.sendall(HEAD + b"Content-Length: 10000\r\n\r\n" + bytes(1 if is_whole else 9999))
    if is_whole:
        client.sendall(bytes(9999))
    assert is_closed.wait(10)
    client.close()
    server.wait_until(lambda: server.loop.connections == 0)


def test_a_client_that_leaves_ends_its_batch(stack: ExitStack) -> None:
    """What is left of it is not begun."""
    is_closed, may_go_on = Event(), Event()

    def answer(_environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(10_000):
                yield b"line\n"
                assert may_go_on.wait(10)
        finally:
            is_closed.set()

    server = LoopServer(stack, answer)
    client = server.connect()
    client.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
    read_until(client, b"line\n")
    client.close()
    may_go_on.set()
    assert is_closed.wait(10)


def test_an_upload_that_stands_still_is_told_to_the_app(stack: ExitStack) -> None:
    """So is a body that breaks off; and asked again the app is told the same."""
    failures: list[str] = []

    def read(environ: dict[str, Any], start_response: Start) -> list[bytes]:
        for _ in range(2):
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                failures.append(type(error).__name__)
        start_response("408 Too Slow", [("Content-Length", "0")])
        return []

    server = LoopServer(stack, read, idle_s=0.05)
    client = server.connect()
    client.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
    read_until(client, b"408 Too Slow")
    gone = server.connect()
    gone.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
    gone.close()
    server.wait_until(lambda: len(failures) == 4)
    assert failures == ["TimeoutError"] * 2 + ["ConnectionAbortedError"] * 2


def test_batches_wait_unread_and_only_so_many(stack: ExitStack) -> None:
    """TCP holds a waiting client back; who comes too late is told so; who leaves makes place."""
    app = Held(take_all)
    server = LoopServer(stack, app, at_work=1, waiting=2)
    size = 20 * 1024 * 1024
    first, second, third, fourth = (server.connect() for _ in range(4))
    for waiting, client in enumerate((first, second, third)):
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % size)
        assert app.begun.wait(10)
        server.wait_until(lambda count=waiting: len(server.scheduler.waiting_batches) == count)
    second.setblocking(False)
    sent = send_all_that_fits(second)
    assert sent < size
    request = HEAD + b"Content-Length: 3\r\n\r\nabc"
    fourth.sendall(request)
    assert b" 503 " in read_until(fourth, b"overloaded")
    third.close()
    server.wait_until(lambda: sorted(server.noted.codes) == ["client_disconnected", "overloaded"])
    fifth = server.connect()
    fifth.sendall(request)
    server.wait_until(lambda: len(server.scheduler.waiting_batches) == 2)
    first.close()
    app.may_go_on.set()
    second.settimeout(10)
    second.sendall(bytes(size - sent))
    assert read_answer(second) == (200, b"%d" % size)
    assert read_answer(fifth) == (200, b"3")


def test_at_a_stop_batches_that_wait_are_refused(stack: ExitStack) -> None:
    """What is at work is answered to its end; what waits is told to go elsewhere."""
    app = Held(take_all)
    server = LoopServer(stack, app, at_work=1)
    first, second = server.connect(), server.connect()
    for client in (first, second):
        client.sendall(HEAD + b"Content-Length: 3\r\n\r\na")
        assert app.begun.wait(10)
    server.wait_until(lambda: len(server.scheduler.waiting_batches) == 1)
    server.loop.stop_accepting()
    assert b" 503 " in read_until(second, b"shutting_down")
    app.may_go_on.set()
    first.sendall(b"bc")
    assert read_answer(first) == (200, b"3")
