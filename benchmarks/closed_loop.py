"""Many clients in one thread: each sends an upload, awaits the answer and sends the next."""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

from uploads import Address

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
SEND_BUFFER_BYTES = 1 << 20
RECEIVE_BYTES = 1 << 16
TICK_S = 0.25
# One of these is in every right answer: topfive's own, or that of the Open Inference Protocol.
PREDICTION_MARKS = (b'"predictions"', b'"outputs"')


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Where a run ends: after so many requests or so many seconds, whichever comes first."""

    clients: int
    requests: int
    duration_s: float
    timeout_s: float = 30.0
    keep_alive: bool = True


@dataclass(slots=True)
class LoopResult:
    """What a run saw: latencies of right answers, everything else by its status or fault.

    `answered_s` tells when each right answer came; `others_ms` are latencies of other statuses;
    `cached_ms` has those of right answers once more, by their `Cache-Status` where they have one.
    """

    latencies_ms: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)
    others_ms: list[float] = field(default_factory=list)
    cached_ms: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    started_at_s: float = 0.0
    duration_s: float = 0.0

    @property
    def throughput_per_s(self) -> float:
        """Right answers per second, up to the last of them: one that never comes costs no rate."""
        last_s = max(self.answered_s, default=self.started_at_s + self.duration_s)
        return len(self.answered_s) / (last_s - self.started_at_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP response."""

    status: int
    body: bytes
    closes: bool
    cache_status: str = ""


def parse_answer(received: bytes, *, ended: bool) -> Answer | None:
    """Read a response with a declared length; None while bytes are missing."""
    head, gap, body = received.partition(b"\r\n\r\n")
    if not gap:
        return None
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    length = headers.get("content-length")
    # Without a length the answer lasts until the server closes.
    complete = ended if length is None else len(body) >= int(length)
    closes = ended or length is None or headers.get("connection", "").lower() == "close"
    if not complete:
        return None
    return Answer(int(status_line.split(" ")[1]), body, closes, headers.get("cache-status", ""))


class Client:
    """One connection that carries one request at a time."""

    def __init__(self, address: Address, selector: selectors.BaseSelector) -> None:
        self._address = address
        self._selector = selector
        self._socket: socket.socket | None = None
        self._unsent = memoryview(b"")
        self._received = bytearray()
        self.started_at_s = 0.0
        self.busy = False

    def start(self, request: bytes) -> None:
        """Send a request, on the open connection if there is one."""
        self.started_at_s, self.busy = time.perf_counter(), True
        self._received.clear()
        self._unsent = memoryview(request)
        if self._socket is None:
            self._socket = self._connect()
        self._send(self._socket)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self._address.host, self._address.port), timeout=5)
        # A whole upload fits, so that most requests leave with one system call.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self._selector.register(connection, READ, self)
        return connection

    def _send(self, connection: socket.socket) -> None:
        with suppress(BlockingIOError):
            self._unsent = self._unsent[connection.send(self._unsent) :]
        self._selector.modify(connection, READ | WRITE if self._unsent else READ, self)

    def advance(self, events: int) -> Answer | None:
        """Send and receive what is possible now; return the answer once it is complete."""
        if self._socket is None:
            return None
        if not events & READ:
            self._send(self._socket)
            return None
        # Reading goes first: a server may refuse an upload before all of it is sent.
        chunk = self._socket.recv(RECEIVE_BYTES)
        self._received += chunk
        answer = parse_answer(bytes(self._received), ended=not chunk)
        if not chunk and answer is None:
            raise ConnectionResetError("the server closed before it answered")
        return answer

    def finish(self, *, close: bool) -> None:
        """Mark the request as done, and close the connection if it cannot be used again."""
        self.busy = False
        if close and self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None


class ClosedLoop:
    """A bounded run of clients against one server, the requests in turn."""

    def __init__(self, address: Address, requests: Sequence[bytes], limits: LoopLimits) -> None:
        self._limits = limits
        self._requests: Iterator[bytes] = cycle(requests)
        self._selector = selectors.DefaultSelector()
        self._clients = [Client(address, self._selector) for _ in range(limits.clients)]
        self._left = limits.requests
        self._ends_at_s = 0.0
        self._result = LoopResult()

    def run(self) -> LoopResult:
        """Run until a limit is reached and everything under way is answered or timed out."""
        started_at_s = self._result.started_at_s = time.perf_counter()
        self._ends_at_s = started_at_s + self._limits.duration_s
        try:
            while self._start_idle_clients():
                for key, events in self._selector.select(TICK_S):
                    self._advance(key.data, events)
                self._give_up_on_late_answers()
        finally:
            self._close()
        self._result.duration_s = time.perf_counter() - started_at_s
        return self._result

    def stop(self) -> None:
        """Send nothing new from now on; may be called from another thread."""
        self._ends_at_s = 0.0

    def _start_idle_clients(self) -> bool:
        for client in self._clients:
            if not client.busy:
                self._start(client)
        return any(client.busy for client in self._clients)

    def _start(self, client: Client) -> None:
        while self._left > 0 and not client.busy and time.perf_counter() < self._ends_at_s:
            self._left -= 1
            try:
                client.start(next(self._requests))
            except OSError as error:
                self._fail(client, _name_fault(error))

    def _advance(self, client: Client, events: int) -> None:
        if not client.busy:
            # The server closed a connection on which nothing was asked.
            client.finish(close=True)
            return
        try:
            answer = client.advance(events)
        except OSError as error:
            self._fail(client, _name_fault(error))
            return
        if answer is not None:
            self._count(client, answer)

    def _count(self, client: Client, answer: Answer) -> None:
        now_s = time.perf_counter()
        latency_ms = (now_s - client.started_at_s) * 1000
        if answer.status != 200:
            self._result.errors[str(answer.status)] += 1
            self._result.others_ms.append(latency_ms)
        elif not any(one in answer.body for one in PREDICTION_MARKS):
            self._result.errors["not_a_prediction"] += 1
        else:
            self._result.latencies_ms.append(latency_ms)
            self._result.answered_s.append(now_s)
            if answer.cache_status:
                self._result.cached_ms.setdefault(answer.cache_status, []).append(latency_ms)
        # After an early refusal part of the upload may be unsent: that connection is spent.
        keeps = self._limits.keep_alive and answer.status == 200 and not answer.closes
        client.finish(close=not keeps)

    def _fail(self, client: Client, fault: str) -> None:
        self._result.errors[fault] += 1
        client.finish(close=True)

    def _give_up_on_late_answers(self) -> None:
        oldest_s = time.perf_counter() - self._limits.timeout_s
        for client in self._clients:
            if client.busy and client.started_at_s < oldest_s:
                self._fail(client, "timeout")

    def _close(self) -> None:
        for client in self._clients:
            client.finish(close=True)
        self._selector.close()


def _name_fault(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "closed"
