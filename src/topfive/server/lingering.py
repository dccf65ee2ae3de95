"""Connections whose answer went out before their request was whole.

Closing at once would make the kernel reset the connection and destroy the answer (RFC 9112,
section 9.6), so the rest of the request is read for a while and thrown away.
"""

import socket
from functools import partial
from selectors import EVENT_READ
from time import monotonic
from typing import Any

from topfive.server.connection import DROP, WASTE, Connection

LINGER_S = 3.0
LINGER_BYTES = 64 * 1024 * 1024
MAX_LINGERING = 256


class Lingering:
    """Reads on after an early answer, within bounds of time, bytes and connections."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self._left_bytes: dict[Connection, int] = {}

    def begin(self, conn: Connection) -> None:
        """Half-close a connection and read on until its client closes too."""
        if len(self._left_bytes) >= MAX_LINGERING:
            conn.close()
            return
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        conn.expires_s = monotonic() + LINGER_S
        self._left_bytes[conn] = LINGER_BYTES
        self._poller.register(conn.sock, EVENT_READ, partial(self._discard, conn))

    def close_expired(self, now_s: float) -> None:
        """Close those whose time is over."""
        for conn in [conn for conn in self._left_bytes if conn.expires_s <= now_s]:
            self._end(conn)

    def _discard(self, conn: Connection, _sock: Any) -> None:
        try:
            count = conn.sock.recv_into(WASTE, len(WASTE), DROP)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        self._left_bytes[conn] -= count
        if count == 0 or self._left_bytes[conn] <= 0:
            self._end(conn)

    def _end(self, conn: Connection) -> None:
        del self._left_bytes[conn]
        self._poller.unregister(conn.sock)
        conn.close()
