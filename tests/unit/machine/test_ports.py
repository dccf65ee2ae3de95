"""Whether a port is free, and who has it."""

import os
import socket

import pytest

from topfive.machine.ports import Holder, find_holder, next_free_port, port_problem


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request):
    """A socket that listens on a port of its own."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as found:
        found.bind((request.param, 0))
        found.listen()
        yield found


def test_a_taken_port_is_told_with_its_holder(listener):
    """A port on which this process listens is in use, by this process."""
    host, port = listener.getsockname()[:2]
    assert port_problem(host, port) == "in use"
    holder = find_holder(port)
    assert holder is not None
    assert holder.pid == os.getpid()
    assert "py" in holder.command


def test_a_free_port_has_no_problem(listener):
    """Once nobody listens, the port is free and has no holder."""
    host, port = listener.getsockname()[:2]
    other = next_free_port(host, port)
    assert other > port
    assert port_problem(host, other) is None
    listener.close()
    assert port_problem(host, port) is None
    assert find_holder(port) is None


def test_an_address_that_is_not_here_is_told():
    """A host that this machine does not have is told in words, and is not `in use`."""
    problem = port_problem("192.0.2.1", 5000)
    assert problem
    assert problem != "in use"


def test_what_may_not_be_seen_is_left_out(tmp_path):
    """Without /proc, or with another user's processes there, no holder is named."""
    assert find_holder(5000, tmp_path) is None
    (tmp_path / "net").mkdir()
    line = "0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1"
    (tmp_path / "net" / "tcp").write_text(f"header\n{line}\n")
    (tmp_path / "12").mkdir()
    assert find_holder(5000, tmp_path) is None
    (tmp_path / "12" / "fd").mkdir()
    (tmp_path / "12" / "fd" / "3").symlink_to("socket:[4711]")
    assert find_holder(5000, tmp_path) == Holder(12, "unknown")
    (tmp_path / "12" / "cmdline").write_bytes(b"/usr/bin/python3\0/x/topfive\0serve\0")
    assert find_holder(5000, tmp_path) == Holder(12, "python3 topfive serve")
