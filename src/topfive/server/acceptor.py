"""Accepts connections, and leaves them to another worker that has fewer."""

import select
import socket
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from topfive.server.balance import Balance

# While every queue slot is taken so many connections are accepted at once, then none for a moment:
# most are refused, and being woken for each would cost more than refusing it.
_ACCEPTS_AT_ONCE = 32
_PAUSE_S = 0.005
# How long a worker with more connections than another leaves new ones to that one.
_YIELD_S = 0.002

Admit = Callable[[socket.socket, Any, Any], None]


class Acceptor:
    """The listening sockets of one worker.

    `admit` gets each new socket with its client's and its own address; `room` tells how many more
    connections there may be.
    """

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        poller: select.epoll,
        balance: Balance,
        admit: Admit,
        room: Callable[[], int],
    ) -> None:
        self._listeners = {one.fileno(): one for one in listeners}
        # Asked once: each connection would cost a system call more.
        self._names = {fd: one.getsockname() for fd, one in self._listeners.items()}
        self._poller = poller
        self._balance = balance
        self._admit = admit
        self._room = room
        self._is_polled = False
        self._has_yielded = False
        self._accepts_from_s = 0.0
        for listener in self._listeners.values():
            listener.setblocking(False)

    def __contains__(self, fd: int) -> bool:
        return fd in self._listeners

    def prepare(self, wait_s: float) -> float:
        """Have the poller tell of new connections, if some may come; returns how long to wait."""
        left_s = self._accepts_from_s - monotonic()
        self._poll(left_s <= 0 and self._room() > 0)
        return min(wait_s, left_s) if left_s > 0 else wait_s

    def accept(self, fd: int, *, at_once: bool) -> None:
        """Accept one connection, or many `at_once`; none while another worker has fewer."""
        if not self._has_yielded and self._balance.is_above_others():
            # If the other one does not take it meanwhile, this one does.
            self._has_yielded = True
            self._accepts_from_s = monotonic() + _YIELD_S
            return
        self._has_yielded = False
        if not at_once:
            self._accept_one(self._listeners[fd])
            return
        for _ in range(_ACCEPTS_AT_ONCE):
            if not self._accept_one(self._listeners[fd]):
                break
        self._accepts_from_s = monotonic() + _PAUSE_S

    def close(self) -> None:
        """Accept everyone who is connected already, and close the listening sockets."""
        self._poll(False)
        for listener in self._listeners.values():
            while self._accept_one(listener):
                pass
            # While it stays open the kernel would go on queueing clients that nobody serves.
            listener.close()
        self._listeners = {}

    def _poll(self, is_polled: bool) -> None:
        if is_polled == self._is_polled:
            return
        self._is_polled = is_polled
        for fd in self._listeners:
            if is_polled:
                self._poller.register(fd, select.EPOLLIN)
            else:
                self._poller.unregister(fd)

    def _accept_one(self, listener: socket.socket) -> bool:
        if self._room() <= 0:
            return False
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        self._admit(sock, client, self._names[listener.fileno()])
        return True
