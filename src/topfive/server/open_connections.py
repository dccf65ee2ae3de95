"""The open connections of one worker: which are watched, how they are refused, and how they end."""

import select
from contextlib import suppress
from time import monotonic

from topfive.errors import ClientDisconnected, DeadlineExceeded
from topfive.server.balance import Balance
from topfive.server.connection import Connection
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler
from topfive.server.upload import Refusal

# More than this is not thrown away for a client that was refused.
_CLOSING_BYTES = 64 * 1024 * 1024


class OpenConnections:
    """Connections by descriptor, and the poller that watches them.

    Callers hold the event loop's lock around all calls but `get` and `discard`, which the loop
    alone makes, and `room`.
    """

    def __init__(
        self, scheduler: UploadScheduler, refusals: Refusals, balance: Balance, most: int
    ) -> None:
        self.poller = select.epoll()
        self._scheduler = scheduler
        self._refusals = refusals
        self._balance = balance
        self._most = most
        self._by_fd: dict[int, Connection] = {}

    def room(self) -> int:
        """Tell how many more connections there may be."""
        return self._most - self._scheduler.connections

    def get(self, fd: int) -> Connection | None:
        """Find a connection by its descriptor."""
        return self._by_fd.get(fd)

    def add(self, conn: Connection, now_s: float) -> None:
        """Take on a new connection; the poller need not know of it yet."""
        self._by_fd[conn.fileno()] = conn
        self._scheduler.accepted(conn, now_s)
        self._note_connections()

    def refuse(self, conn: Connection, refusal: Refusal) -> None:
        """Tell a client that it is refused, and keep, read on or close its connection."""
        failure = refusal.failure
        if isinstance(failure, DeadlineExceeded) and conn.has_gone():
            failure = ClientDisconnected()
        if isinstance(failure, ClientDisconnected):
            self._refusals.note(conn, conn.head, failure)
            failure = None
        if failure is None:
            self.drop(conn)
            return
        head, is_whole = conn.head, conn.discard_request()
        is_kept = self._scheduler.refused(conn, monotonic(), is_whole=is_whole)
        with suppress(OSError):
            conn.send(self._refusals.write(conn, head, failure, is_kept=is_kept))
        if is_kept:
            self.poll(conn, 0)
        elif is_whole:
            # Nothing is left to read that would make the kernel take the answer back.
            self.drop(conn)
        else:
            self.end(conn)

    def end(self, conn: Connection) -> None:
        """Close when the client has closed too: else it may not see its answer.

        Source: RFC 9112, section 9.6.
        """
        try:
            conn.end_sending()
        except OSError:
            self.drop(conn)
            return
        if self._scheduler.closing(conn, monotonic()):
            self.poll(conn, select.EPOLLIN)
        else:
            self.drop(conn)

    def discard(self, conn: Connection) -> bool:
        """Throw away what a refused client still sends; True where it is time to close."""
        try:
            count = conn.discard()
        except BlockingIOError:
            return False
        except OSError:
            return True
        conn.discarded_bytes += count
        return count == 0 or conn.discarded_bytes > _CLOSING_BYTES

    def drop(self, conn: Connection) -> None:
        """Close a connection and forget it."""
        if conn.is_closed:
            return
        self._scheduler.gone(conn)
        del self._by_fd[conn.fileno()]
        conn.close()
        self._note_connections()

    def _note_connections(self) -> None:
        if not self._scheduler.is_stopping:
            self._balance.note(self._scheduler.connections)

    def poll(self, conn: Connection, events: int) -> None:
        """Have the poller tell of `events` of a connection."""
        if events == conn.polled_events:
            return
        if not events:
            # Asked for nothing it would still tell of a broken connection, again and again.
            self.poller.unregister(conn)
        elif conn.polled_events:
            self.poller.modify(conn, events)
        else:
            self.poller.register(conn, events)
        conn.polled_events = events
