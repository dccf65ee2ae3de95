"""What is set on a listening socket holds for those it accepts, and nobody is reset by it."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from topfive.server.listening import (
    SEND_BUFFER_BYTES,
    keep_send_buffers_small,
    refuse_new_connections,
)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(2)
        yield listening


def connect(listener: socket.socket) -> socket.socket:
    """Connect to it; raises TimeoutError where nobody opens."""
    return socket.create_connection(listener.getsockname(), timeout=0.3)


def test_who_stands_in_line_is_still_served(listener: socket.socket) -> None:
    """Whoever connected before connections were refused is accepted, and heard, after it."""
    with connect(listener) as client:
        refuse_new_connections(listener)
        client.sendall(b"hello")
        accepted, _address = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"
            accepted.sendall(b"world")
            assert client.recv(5) == b"world"


def test_new_connections_wait(listener: socket.socket) -> None:
    """Nobody gets into the line any more, so closing it resets nobody."""
    refuse_new_connections(listener)
    with pytest.raises(TimeoutError):
        connect(listener)


def test_new_connections_are_refused_in_the_end(listener: socket.socket) -> None:
    """Once it is closed, new clients are told so at once."""
    refuse_new_connections(listener)
    address = listener.getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=0.3)


def test_a_client_that_reads_nothing_costs_the_kernel_little(listener: socket.socket) -> None:
    """What is accepted takes a bounded part of an answer, however long that answer is."""
    keep_send_buffers_small(listener)
    answer = memoryview(bytes(64 * SEND_BUFFER_BYTES))
    with connect(listener):
        accepted, _address = listener.accept()
        with accepted:
            accepted.setblocking(False)
            taken_bytes = 0
            with suppress(BlockingIOError):
                while taken_bytes < len(answer):
                    taken_bytes += accepted.send(answer[taken_bytes:])
            assert 0 < taken_bytes < 8 * SEND_BUFFER_BYTES
