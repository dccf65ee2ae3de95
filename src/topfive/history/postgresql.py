"""PostgreSQL as the history's database, also while its server hangs or the network is away."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from topfive.history.host_addresses import HostAddresses

# What the address does not say itself; see
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_PARAMETERS = {
    "connect_timeout": 2,
    "application_name": "topfive",
    "tcp_user_timeout": 5000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
# Servers that PgBouncer stands before need not know a prepared statement.
_DRIVER = {"prepare_threshold": None}


def make_engine(url: URL, *, connections: int, wait_s: float) -> Engine:
    """Make an engine that connects when it is first used."""
    parameters = {name: value for name, value in _PARAMETERS.items() if name not in url.query}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=1,
        max_overflow=connections - 1,
        pool_timeout=wait_s,
        hide_parameters=True,
        connect_args=parameters | _DRIVER,
    )
    _look_hosts_up(engine)
    return engine


def _look_hosts_up(engine: Engine) -> None:
    addresses = HostAddresses()

    @event.listens_for(engine, "do_connect")
    def add_addresses(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters.update(addresses.add_to(parameters))


class _Alarm:
    """Ends a connection whose time is over; no server needs to answer for that."""

    def __init__(self, fd: int, after_s: float) -> None:
        self._fd = fd
        self._lock = Lock()
        self._is_off = False
        self._timer = Timer(after_s, self._ring)
        self._timer.name = "topfive-history-alarm"
        self._timer.daemon = True
        self._timer.start()

    def turn_off(self) -> None:
        # Once this returns the number may mean another file.
        with self._lock:
            self._is_off = True
        self._timer.cancel()

    def _ring(self) -> None:
        with self._lock:
            if not self._is_off:
                with socket.socket(fileno=os.dup(self._fd)) as connected:
                    connected.shutdown(socket.SHUT_RDWR)


@contextmanager
def limit_time(connection: Connection, patience_s: float) -> Iterator[None]:
    """Let what is done with a connection take so long, also where the server does not answer."""
    raw = connection.connection.driver_connection
    alarm = _Alarm(raw.fileno(), max(0.1, patience_s))  # type: ignore[union-attr] # psycopg's
    try:
        # The server's own limit comes first: it leaves the connection usable.
        limit_ms = max(100, round(patience_s * 900))
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {limit_ms}")
        yield
    finally:
        alarm.turn_off()
