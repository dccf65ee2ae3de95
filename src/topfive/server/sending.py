"""Answers that their clients read slowly: the main loop sends them, and no thread waits."""

from collections.abc import Callable
from functools import partial
from selectors import EVENT_WRITE
from time import monotonic
from typing import Any

from topfive.server.connection import Connection

# How long a client may take to read an answer that did not go out at once.
SEND_ALLOWANCE_S = 10.0


class Sending:
    """Sends the rest of answers; `on_sent` gets the connection back, `on_lost` lets it go."""

    def __init__(
        self,
        poller: Any,
        on_sent: Callable[[Connection, Any], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._poller = poller
        self._on_sent = on_sent
        self._on_lost = on_lost
        self._unsent: set[Connection] = set()

    def begin(self, conn: Connection, done: Any) -> None:
        """Send what is left of an answer; `done` is handed on to `on_sent`."""
        conn.sock.setblocking(False)
        conn.expires_s = monotonic() + SEND_ALLOWANCE_S
        self._unsent.add(conn)
        self._poller.register(conn.sock, EVENT_WRITE, partial(self._send_more, conn, done))

    def close_expired(self, now_s: float) -> None:
        """Let go of those whose time is over."""
        for conn in [conn for conn in self._unsent if conn.expires_s <= now_s]:
            self._end(conn)
            self._on_lost(conn)

    def _send_more(self, conn: Connection, done: Any, _sock: Any) -> None:
        try:
            is_done = conn.sock.send_more()
        except OSError:
            self._end(conn)
            self._on_lost(conn)
            return
        if is_done:
            self._end(conn)
            self._on_sent(conn, done)

    def _end(self, conn: Connection) -> None:
        self._unsent.discard(conn)
        self._poller.unregister(conn.sock)
