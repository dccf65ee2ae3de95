"""A database's host name is looked up within a time limit."""

import socket
from threading import Event
from typing import Any

import pytest
from psycopg import OperationalError

from topfive.history import host_addresses
from topfive.history.host_addresses import HostAddresses


def answer(*addresses: str) -> list[tuple[Any, ...]]:
    """What getaddrinfo gives for addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in addresses]


def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, and the name stays, since certificates are checked against it."""
    found = answer("192.0.2.1", "192.0.2.2", "192.0.2.1")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
    added = HostAddresses().add_to({"host": "database", "port": 5433})
    expected = {"host": "database,database", "hostaddr": "192.0.2.1,192.0.2.2", "port": 5433}
    assert added == expected


@pytest.mark.parametrize(
    "parameters",
    [{}, {"host": ""}, {"host": "/run/postgresql"}, {"host": "one,two"},
     {"host": "database", "hostaddr": "192.0.2.1"}],
)  # fmt: skip
def test_what_needs_no_lookup_stays_as_it_is(
    parameters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket, several hosts and a host whose address is given are libpq's own affair."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answer("192.0.2.9"))
    assert HostAddresses().add_to(parameters) == parameters


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of the database like any other."""

    def refuse(*_args: object, **_options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(OperationalError, match="cannot be resolved"):
        HostAddresses().add_to({"host": "gone"})


def test_a_name_server_that_hangs_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told while the name server still hangs, and one thread at most waits for it."""
    hangs, asked = Event(), []

    def hang(host: str, *_args: object, **_options: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        hangs.wait(60)
        return answer("192.0.2.1")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(host_addresses, "_LOOK_UP_S", 0.05)
    addresses = HostAddresses()
    for _ in range(3):
        with pytest.raises(OperationalError, match="cannot be resolved"):
            addresses.add_to({"host": "database"})
    assert asked == ["database"]
    assert not hangs.is_set()
    hangs.set()
