"""The event loop over real sockets, with an app behind Gunicorn's parser."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from threading import Event, Lock, Thread
from typing import Any

from gunicorn.config import Config

from tests.unit.server.test_event_loop import Noted
from topfive.errors import Overloaded
from topfive.route_table import build_route_table
from topfive.server.adapter import GunicornHttp
from topfive.server.balance import Balance, make_board
from topfive.server.event_loop import EventLoop
from topfive.server.first_look import Look, see_nothing
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.server.upload import BatchLaneLimits, SchedulerLimits

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]
MOST_BYTES = 64 * 1024 * 1024


class LoopServer:
    """An event loop that turns in a thread, with an app behind Gunicorn's parser."""

    def __init__(
        self,
        stack: ExitStack,
        app: App,
        *,
        lookups: int = 0,
        look: Look = see_nothing,
        **limits: float,
    ) -> None:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.address = listener.getsockname()
        self.noted = Noted()
        routes = build_route_table(max_batch_bytes=MOST_BYTES)
        batches = BatchLaneLimits(**limits)  # type: ignore[arg-type] # numbers of either kind
        self.scheduler = UploadScheduler(
            SchedulerLimits(
                1, 1, 100_000, 400_000, 5.0, pause_s=0.05, lookups=lookups, batches=batches
            ),
            lambda: Overloaded(retry_after_s=1),
        )
        refusals = Refusals(self.noted, lambda _origin: {})  # type: ignore[arg-type]
        http = GunicornHttp(Config(), app, 5.0, routes, batches)
        balance = Balance(make_board(), 1)
        self.loop = EventLoop([listener], self.scheduler, http, refusals, balance, 50, look)
        wake, other = os.pipe()
        stack.callback(os.close, wake)
        stack.callback(os.close, other)
        self.loop.start(wake)
        # Whoever has it keeps the loop from turning.
        self.turning = Lock()
        self._may_stop = Event()
        thread = Thread(target=self._turn)
        thread.start()
        stack.callback(thread.join)
        stack.callback(self._may_stop.set)
        self.stack = stack

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        """Connect a client, whose kernel takes no more than so much for it."""
        client = self.stack.enter_context(socket.socket())
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.settimeout(10)
        client.connect(self.address)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        end_s = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < end_s
            time.sleep(0.005)

    def _turn(self) -> None:
        while not (self._may_stop.is_set() and self.loop.connections == 0):
            with self.turning:
                self.loop.turn(0.01)
                self.loop.tick()
            # Else this thread would take the lock again before whoever waits for it.
            time.sleep(0.001)


class Held:
    """An app that begins with a request only when it may."""

    def __init__(self, app: App) -> None:
        self.begun, self.may_go_on = Event(), Event()
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterator[bytes]:
        """Wait, then answer."""
        self.begun.set()
        assert self.may_go_on.wait(10)
        yield from self._app(environ, start_response)


def read_until(client: socket.socket, wanted: bytes) -> bytes:
    """Read from a server until something is there."""
    data = b""
    while wanted not in data:
        piece = client.recv(65536)
        assert piece, data
        data += piece
    return data


def read_answer(client: socket.socket) -> tuple[int, bytes]:
    """Read a whole answer: its status and its body."""
    answer = HTTPResponse(client)
    answer.begin()
    return answer.status, answer.read()
