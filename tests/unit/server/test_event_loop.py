"""The event loop with real sockets and no app: what is decided is carried out."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.functional.wire import answers_in
from topfive.errors import Overloaded
from topfive.server.balance import Balance, make_board
from topfive.server.connection import Connection
from topfive.server.event_loop import EventLoop
from topfive.server.http import BrokenRequest, Head, Outcome
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.server.upload import SchedulerLimits, Work

REQUEST = b"POST 5\r\n\r\nhello"


class Noted:
    """A service that only keeps what it is told."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def record(self, answered: Any) -> None:
        """Note one refused request."""
        self.codes.append(answered.code)

    def record_load_shed(self, count: int, code: str) -> None:
        """Note requests that were refused together."""
        self.codes += [code] * count


class Echo:
    """HTTP of the simplest kind: a head is a word and the length of its body."""

    def parse_head(self, data: bytes, conn: Connection) -> Head:
        """Parse a head."""
        word, _, length = data.strip().decode().partition(" ")
        if word != "POST":
            raise BrokenRequest
        return Head(Work.PREDICTION, int(length), False, "", None)

    def answer(self, conn: Connection, may_keep: bool) -> Outcome:
        """Answer with the body."""
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(conn.body) + conn.body)
        return Outcome.KEEP if may_keep else Outcome.CLOSE


class SlowEcho(Echo):
    """Answers nobody before it is told to, and notes which threads have answered."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.answered_by: list[str] = []

    def answer(self, conn: Connection, may_keep: bool) -> Outcome:
        """Answer with the body, and by which thread."""
        self.may_answer.wait(10)
        self.answered_by.append(threading.current_thread().name)
        return super().answer(conn, may_keep)


class Loop:
    """A loop with a listening socket; with no slot everything waits."""

    def __init__(
        self,
        stack: ExitStack,
        slots: int,
        queue: int,
        request_s: float,
        http: Echo | None = None,
    ) -> None:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.address = listener.getsockname()
        self.noted = Noted()
        limits = SchedulerLimits(
            slots, queue, 1000, 100_000, request_s, streams=0, others=0, probes=0, pause_s=0.05
        )
        self.scheduler = UploadScheduler(limits, lambda: Overloaded(retry_after_s=1))
        refusals = Refusals(self.noted, lambda _origin: {})  # type: ignore[arg-type]
        balance = Balance(make_board(), 1)
        self.loop = EventLoop([listener], self.scheduler, http or Echo(), refusals, balance, 10)
        wake, other = os.pipe()
        stack.callback(os.close, wake)
        stack.callback(os.close, other)
        self.loop.start(wake)
        self.stack = stack
        # Clients are closed before that, and their connections by it.
        stack.callback(self.turn_until_empty)

    def connect(self) -> socket.socket:
        """Connect a client."""
        client = self.stack.enter_context(socket.create_connection(self.address, timeout=5))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def turn(self, seconds: float = 0.1) -> None:
        """Let the loop turn for a while."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.loop.turn(0.01)
            self.loop.tick()

    def turn_until(self, holds: Callable[[], bool]) -> None:
        """Let the loop turn until something holds."""
        end_s = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < end_s
            self.turn(0.005)

    def turn_until_empty(self) -> None:
        """Let the loop turn until every connection has ended."""
        self.turn_until(lambda: self.loop.connections == 0)

    def answers(self, client: socket.socket, count: int = 1) -> list[tuple[int, bytes]]:
        """Let the loop turn until so many answers are there: statuses, and bodies of success."""
        client.setblocking(False)
        data = bytearray()

        def is_read() -> bool:
            with suppress(BlockingIOError):
                data.extend(client.recv(65536))
            return len(answers_in(bytes(data))) >= count

        self.turn_until(is_read)
        found = answers_in(bytes(data))
        return [(one.status, one.body if one.status == 200 else b"") for one in found]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as one:
        yield one


def test_a_request_is_answered_and_the_next_one_too(stack: ExitStack) -> None:
    """Whole, pipelined, and cut into its bytes."""
    one = Loop(stack, slots=1, queue=5, request_s=30)
    client = one.connect()
    client.sendall(REQUEST + REQUEST.replace(b"hello", b"world"))
    assert one.answers(client, 2) == [(200, b"hello"), (200, b"world")]
    for at in range(len(REQUEST)):
        client.sendall(REQUEST[at : at + 1])
        one.turn(0.001)
    assert one.answers(client) == [(200, b"hello")]
    assert one.loop.requests == 3


def test_who_waits_is_answered_by_the_thread_that_is_at_work(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on with the next request: no other thread is woken, even while it sends."""
    http = SlowEcho()
    one = Loop(stack, slots=1, queue=5, request_s=30, http=http)
    flush = Connection.flush

    def flush_beside_the_loop(conn: Connection) -> bool | None:
        one.loop.tick()
        return flush(conn)

    monkeypatch.setattr(Connection, "flush", flush_beside_the_loop)
    # It counts from a tick on for how long a request is at work.
    one.loop.tick()
    clients = [one.connect() for _ in range(5)]
    for client in clients:
        client.sendall(REQUEST)
    one.turn_until(lambda: one.scheduler.waiting == 4)
    http.may_answer.set()
    for client in clients:
        assert one.answers(client) == [(200, b"hello")]
    assert len(http.answered_by) == 5
    assert len(set(http.answered_by)) == 1


def test_what_waited_in_vain_keeps_its_connection(stack: ExitStack) -> None:
    """A whole request whose time is up is told 504, and the next one is read after the pause."""
    one = Loop(stack, slots=0, queue=5, request_s=0.02)
    client = one.connect()
    for _ in range(2):
        client.sendall(REQUEST)
        assert one.answers(client) == [(504, b"")]
    assert one.noted.codes == ["deadline_exceeded"] * 2
    assert one.loop.connections == 1


def test_what_waited_in_vain_takes_nothing_of_the_next_request_with_it(stack: ExitStack) -> None:
    """With a further request behind it the connection ends: that one is not lost unnoticed."""
    one = Loop(stack, slots=0, queue=5, request_s=0.02)
    client = one.connect()
    client.sendall(REQUEST + REQUEST)
    one.turn_until(lambda: bool(one.noted.codes))
    data = b"".join(iter(lambda: client.recv(65536), b""))
    assert [answer.status for answer in answers_in(data)] == [504]
    assert b"Connection: close" in data


def test_who_left_while_waiting_is_told_nothing(stack: ExitStack) -> None:
    """When its time is up it is noted as gone, not as late."""
    one = Loop(stack, slots=0, queue=5, request_s=0.5)
    client = one.connect()
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)
    one.turn_until(lambda: bool(one.noted.codes))
    assert client.recv(100) == b""
    assert one.noted.codes == ["client_disconnected"]


def test_who_leaves_within_a_body_is_noted(stack: ExitStack) -> None:
    """Within a head nobody knows what it was to be."""
    one = Loop(stack, slots=1, queue=5, request_s=30)
    for data in (REQUEST[:3], REQUEST[:-2]):
        one.connect().sendall(data)
    one.turn_until(lambda: one.loop.connections == 2)
    one.turn()
    one.stack.close()
    assert one.noted.codes == ["client_disconnected"]


def test_who_is_refused_is_heard_after_a_pause(stack: ExitStack) -> None:
    """Without a queue slot it is told so, kept, and read again; what it sent meanwhile counts."""
    one = Loop(stack, slots=0, queue=0, request_s=30)
    client = one.connect()
    for _ in range(2):
        client.sendall(REQUEST)
        assert one.answers(client) == [(503, b"")]
    one.loop.tick()
    assert one.noted.codes == ["overloaded"] * 2


def test_what_is_no_http_ends_the_connection(stack: ExitStack) -> None:
    """It is told so, and nothing behind it is read."""
    one = Loop(stack, slots=1, queue=5, request_s=30)
    client = one.connect()
    client.sendall(b"nonsense\r\n\r\n" + REQUEST)
    assert one.answers(client) == [(400, b"")]
    client.close()
    one.turn_until_empty()
    assert one.noted.codes == ["malformed_request"]


def test_no_more_connections_than_allowed_are_accepted(stack: ExitStack) -> None:
    """Further ones wait in the kernel, and are served when one ends."""
    one = Loop(stack, slots=1, queue=5, request_s=30)
    clients = [one.connect() for _ in range(12)]
    one.turn_until(lambda: one.loop.connections == 10)
    one.turn()
    assert one.loop.connections == 10
    clients[-1].sendall(REQUEST)
    clients[0].close()
    clients[1].close()
    assert one.answers(clients[-1]) == [(200, b"hello")]


def test_after_stopping_who_is_there_is_served(stack: ExitStack) -> None:
    """Who had connected is answered and let go; nobody else gets in."""
    one = Loop(stack, slots=1, queue=5, request_s=30)
    served, late = one.connect(), one.connect()
    served.sendall(REQUEST)
    one.loop.stop_accepting()
    late.sendall(REQUEST)
    assert one.answers(served) == [(200, b"hello")]
    assert one.answers(late) == [(200, b"hello")]
    one.turn_until_empty()
    with pytest.raises(ConnectionRefusedError):
        one.connect()
