"""Refuses predictions by a look at their first bytes, while too many come to parse them all.

Nothing is worked on by what is found here. A connection whose request is refused by it is closed,
so that nobody needs to know for certain where its next request would begin.
"""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import NamedTuple

from topfive.route_table import Route, RouteTable, Work
from topfive.server.connection import discard
from topfive.server.http import Outcome
from topfive.server.refusals import Refusals
from topfive.server.scheduler import UploadScheduler

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_MOST_DIGITS = 9
# These are answered with care: a page's browser wants headers of its own, chunks have no length.
_UNUSUAL = (b"\r\norigin:", b"\r\ntransfer-encoding:", b"\r\nexpect:")


class Sight(NamedTuple):
    """What looks like a usual prediction, and how many bytes of it are missing."""

    route: Route
    missing_bytes: int


Look = Callable[[bytes], Sight | None]


class FirstLook:
    """Refuses by the first bytes of new connections; callers of the scheduler share its `lock`."""

    def __init__(
        self,
        scheduler: UploadScheduler,
        refusals: Refusals,
        lock: AbstractContextManager[object],
        look: Look,
    ) -> None:
        self._scheduler = scheduler
        self._refusals = refusals
        self._lock = lock
        self._look = look

    def refuse(
        self, sock: socket.socket, host: str, now_s: float, data: memoryview
    ) -> Outcome | None:
        """Refuse what comes on a new connection; returns how it is to end, None: it is parsed."""
        if not data or not self._scheduler.sheds(host, now_s):
            return None
        sight = self._look(bytes(data))
        if sight is None:
            return None
        with self._lock:
            failure = self._scheduler.shed(host)
        with suppress(OSError):
            is_whole = discard(sock, sight.missing_bytes) == sight.missing_bytes
            sock.send(self._refusals.shed(failure, sight.route), socket.MSG_DONTWAIT)
            # What is not read would make the kernel take the answer back.
            return Outcome.CLOSE if is_whole else Outcome.LINGER
        return Outcome.CLOSE


def see_nothing(_data: bytes) -> None:
    """See nothing usual: everything is parsed."""


def see_upload(routes: RouteTable, data: bytes) -> Sight | None:
    """See whether the first bytes of a connection look like a usual prediction, and one only."""
    head, gap, body = data.partition(_HEAD_END)
    route = _find_route(routes, head.partition(b"\r\n")[0])
    if not gap or route is None or route.work is not Work.PREDICTION:
        return None
    head = head.lower()
    missing_bytes = _announced_bytes(head) - len(body)
    is_usual = missing_bytes >= 0 and not any(name in head for name in _UNUSUAL)
    return Sight(route, missing_bytes) if is_usual else None


def _find_route(routes: RouteTable, line: bytes) -> Route | None:
    method, _, rest = line.decode("latin-1").partition(" ")
    target, _, version = rest.partition(" ")
    return routes.find(method, target.partition("?")[0]) if version == "HTTP/1.1" else None


def _announced_bytes(head: bytes) -> int:
    """Read how long a body is to be; -1 where that is not said in the usual way."""
    digits = head.partition(_LENGTH)[2].partition(b"\r\n")[0].strip()
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else -1
