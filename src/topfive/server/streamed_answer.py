"""An answer that is sent piece by piece while its app makes it."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from topfive.server.connection import MAX_UNSENT_BYTES, Connection

# Once its body is whole a client that reads has no reason to leave more than this.
_LAG_BYTES = 256 * 1024


class StreamedAnswer:
    """What the response of a batch or an export is written to: each piece goes out at once.

    Most clients read only when they have sent their whole body. Until then what they leave is kept,
    as long as it is not too much; afterwards the thread waits for them to read, `send_s` for each
    piece, and not beyond `until_s`.
    """

    def __init__(
        self, conn: Connection, until_s: float, send_s: float, is_unread: Callable[[], bool]
    ) -> None:
        self._conn = conn
        self._until_s = until_s
        self._send_s = send_s
        self._is_unread = is_unread
        with suppress(OSError):
            # A line must not wait for the receipt of the one before it.
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def sendall(self, data: Any) -> None:
        """Send a piece; raises OSError where the client has gone, or does not read its answer."""
        conn = self._conn
        conn.unsent += data
        most = MAX_UNSENT_BYTES if self._is_unread() else _LAG_BYTES
        conn.send_on(most, self._until_s, self._send_s)
