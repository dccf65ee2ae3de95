"""Uploads that come at a fixed rate, whether or not earlier ones were answered."""

import random
import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from closed_loop import Answer, parse_answer
from uploads import Address

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
SEND_BUFFER_BYTES = 1 << 20
RECEIVE_BYTES = 1 << 16
MAX_OPEN = 4000
MAX_RATE_PER_S = 5000.0
MAX_DURATION_S = 120.0
GIVE_UP_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How often requests come, for how long, and how long each may wait for its answer.

    Answers of the first `settle_s` do not count for the rate: the queue is still filling then.
    """

    rate_per_s: float
    duration_s: float
    timeout_s: float = 35.0
    settle_s: float = 1.0


@dataclass(slots=True)
class OpenLoopResult:
    """Latencies by status, answers that came while requests were sent, faults, what was sent."""

    latencies_ms: dict[int, list[float]] = field(default_factory=dict)
    in_time: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    counted_s: float = 0.0
    duration_s: float = 0.0
    cpu_ms: float = 0.0

    def rate_per_s(self, status: int) -> float:
        """Tell how many answers of that status came per second while requests were sent."""
        return self.in_time[status] / self.counted_s


class Visit:
    """One connection with one request."""

    __slots__ = ("connection", "received", "started_s", "unsent")

    def __init__(self, address: Address, request: bytes) -> None:
        self.started_s = time.perf_counter()
        self.unsent = memoryview(request)
        self.received = b""
        self.connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.connection.setblocking(False)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.connection.connect_ex((address.host, address.port))

    def send(self) -> None:
        """Send what the server takes now."""
        with suppress(BlockingIOError):
            self.unsent = self.unsent[self.connection.send(self.unsent) :]


class OpenLoop:
    """A bounded run of arrivals, at random moments with the given mean rate."""

    def __init__(self, address: Address, requests: Sequence[bytes], arrivals: Arrivals) -> None:
        if arrivals.rate_per_s > MAX_RATE_PER_S or arrivals.duration_s > MAX_DURATION_S:
            raise ValueError(f"at most {MAX_RATE_PER_S:g}/s for {MAX_DURATION_S:g} s")
        self._address = address
        self._requests = requests
        self._arrivals = arrivals
        self._random = random.Random(1)
        self._counts_from_s = self._ends_s = 0.0
        self._selector = selectors.DefaultSelector()
        self._open: dict[Visit, None] = {}
        self._result = OpenLoopResult()

    def run(self) -> OpenLoopResult:
        """Send for the given time, then wait until everything is answered or given up."""
        cpu_s, began_s = time.process_time(), time.perf_counter()
        self._counts_from_s = began_s + self._arrivals.settle_s
        self._ends_s = began_s + self._arrivals.duration_s
        self._send_and_await(began_s)
        self._selector.close()
        self._result.counted_s = self._arrivals.duration_s - self._arrivals.settle_s
        self._result.duration_s = time.perf_counter() - began_s
        self._result.cpu_ms = (time.process_time() - cpu_s) * 1000
        return self._result

    def _send_and_await(self, next_s: float) -> None:
        look_s = next_s
        while next_s < self._ends_s or self._open:
            now_s = time.perf_counter()
            while next_s <= now_s and next_s < self._ends_s:
                self._start()
                next_s += self._random.expovariate(self._arrivals.rate_per_s)
            if now_s - look_s > GIVE_UP_EVERY_S:
                look_s = now_s
                self._give_up(now_s - self._arrivals.timeout_s)
            self._advance(next_s if next_s < self._ends_s else now_s + GIVE_UP_EVERY_S)

    def _start(self) -> None:
        request = self._requests[self._result.sent % len(self._requests)]
        self._result.sent += 1
        if len(self._open) >= MAX_OPEN:
            self._result.faults["generator_full"] += 1
            return
        visit = Visit(self._address, request)
        self._open[visit] = None
        # Where it is not connected yet, the send goes on once it is.
        with suppress(OSError):
            visit.send()
        self._selector.register(visit.connection, READ | WRITE if visit.unsent else READ, visit)

    def _advance(self, until_s: float) -> None:
        for key, events in self._selector.select(max(0.0, until_s - time.perf_counter())):
            visit: Visit = key.data
            try:
                self._step(visit, events)
            except OSError as error:
                self._fail(visit, type(error).__name__)

    def _step(self, visit: Visit, events: int) -> None:
        if events & READ:
            self._receive(visit)
            return
        visit.send()
        if not visit.unsent:
            self._selector.modify(visit.connection, READ, visit)

    def _receive(self, visit: Visit) -> None:
        chunk = visit.connection.recv(RECEIVE_BYTES)
        visit.received += chunk
        answer = parse_answer(visit.received, ended=not chunk)
        if answer is not None:
            self._count(visit, answer)
        elif not chunk:
            self._fail(visit, "closed")

    def _count(self, visit: Visit, answer: Answer) -> None:
        now_s = time.perf_counter()
        if answer.status == 200 and b'"predictions"' not in answer.body:
            self._fail(visit, "not_a_prediction")
            return
        latency_ms = (now_s - visit.started_s) * 1000
        self._result.latencies_ms.setdefault(answer.status, []).append(latency_ms)
        self._result.in_time[answer.status] += self._counts_from_s < now_s <= self._ends_s
        self._close(visit)

    def _fail(self, visit: Visit, fault: str) -> None:
        self._result.faults[fault] += 1
        self._close(visit)

    def _give_up(self, oldest_s: float) -> None:
        for visit in [one for one in self._open if one.started_s < oldest_s]:
            self._fail(visit, "timeout")

    def _close(self, visit: Visit) -> None:
        del self._open[visit]
        self._selector.unregister(visit.connection)
        visit.connection.close()
