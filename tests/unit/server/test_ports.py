"""Ports that cannot be listened on are told with what would do."""

import socket

import pytest

from topfive.server.ports import port_mistakes
from topfive.settings import Settings


@pytest.fixture(params=["127.0.0.1", "::1"])
def taken(request):
    """An address and a port on which somebody listens."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as listener:
        yield listener.getsockname()[:2]


def test_a_port_in_use_is_told_with_a_free_one(taken):
    """The command that would work stands in the same line, for either port."""
    host, port = taken
    (line,) = port_mistakes(Settings(host=host, port=port))
    assert line.startswith(f"Port {port} is in use. TOPFIVE_PORT=")
    (line,) = port_mistakes(Settings(host=host, port=0, metrics_port=port))
    assert line.startswith(f"Port {port} is in use. TOPFIVE_METRICS_PORT=")


def test_a_connection_that_ended_a_moment_ago_is_no_mistake():
    """What the system keeps of ended connections does not make a port taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = listener.accept()
        # Whoever closes first leaves a connection in TIME_WAIT.
        accepted.close()
        client.close()
    assert port_mistakes(Settings(host="127.0.0.1", port=port)) == []


def test_any_free_port_is_no_mistake():
    """With 0 the system chooses, and both ports may do so."""
    assert port_mistakes(Settings(host="127.0.0.1", port=0, metrics_port=0)) == []


def test_two_services_on_one_port_are_a_mistake():
    """The metrics' own port is another than the main one."""
    (line,) = port_mistakes(Settings(host="127.0.0.1", port=5999, metrics_port=5999))
    assert "TOPFIVE_METRICS_PORT=5999" in line


def test_an_address_of_another_machine_is_told():
    """Where the address is wrong, no other port is proposed."""
    (line,) = port_mistakes(Settings(host="192.0.2.1", port=5999))
    assert "TOPFIVE_HOST" in line
    assert "in use" not in line
