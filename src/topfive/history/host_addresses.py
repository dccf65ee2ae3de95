"""The addresses of a database's host, looked up within a time limit, which libpq has not."""

import socket
from collections.abc import Mapping
from threading import Lock, Thread
from typing import Any

from psycopg import OperationalError

_LOOK_UP_S = 2.0


class HostAddresses:
    """Looks names up in a thread of its own, one at a time; safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lookup: Thread | None = None

    def add_to(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Give libpq's parameters back with the addresses of their one host.

        Several hosts, a socket's directory and a host whose address is given stay as they are.
        Raises OperationalError where the addresses are not known in time.
        """
        host = str(parameters.get("host") or "")
        if not host or host.startswith(("/", "@")) or "," in host or "hostaddr" in parameters:
            return dict(parameters)
        found = self._find(host)
        # libpq tries them in turn, and checks a certificate against the name.
        return {**parameters, "host": ",".join([host] * len(found)), "hostaddr": ",".join(found)}

    def _find(self, host: str) -> list[str]:
        found: list[str] = []
        # A name server that hangs holds one thread, however often it is asked.
        with self._lock:
            if self._lookup is None or not self._lookup.is_alive():
                name = "topfive-history-lookup"
                lookup = Thread(target=_look_up, args=(host, found), name=name, daemon=True)
                self._lookup = lookup
                lookup.start()
                lookup.join(_LOOK_UP_S)
        if not found:
            raise OperationalError("the database's host name cannot be resolved")
        return found


def _look_up(host: str, found: list[str]) -> None:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    found.extend(dict.fromkeys(str(one[4][0]) for one in answers))
