"""Slow clients hold no thread: health and predictions go on, and the slow are let go."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg

CLIENTS = 120
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
SLOW = {
    "idle": b"",
    "half a head": HEAD[:30],
    "half a body": HEAD + b"Content-Length: 5000\r\n\r\nabc",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfff\r\nabc",
}


@contextmanager
def slow_clients(server: LiveServer, first_bytes: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections that send a little and then nothing."""
    with ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            clients.append(stack.enter_context(client))
            client.sendall(first_bytes)
        yield clients


@pytest.mark.parametrize("kind", list(SLOW))
def test_others_are_served_meanwhile(kind: str, tiny_folder: Path, tmp_path: Path) -> None:
    """With many more slow clients than threads, everyone else gets an answer."""
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1", queue="0", slots="1") as server,
        slow_clients(server, SLOW[kind]),
    ):
        threads = server.get("/info").json["threads"]
        assert threads < CLIENTS
        for _ in range(10):
            assert server.get("/health").status == 200
            assert server.upload(jpeg()).status == 200


def test_slow_heads_are_told_and_closed(tiny_folder: Path, tmp_path: Path) -> None:
    """Who begins a request and does not go on is told 408; who never begins is just closed."""
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1") as server,
        slow_clients(server, SLOW["half a head"]) as begun,
        slow_clients(server, b"") as silent,
    ):
        answers = [client.recv(4096) for client in begun]
        assert all(one.startswith(b"HTTP/1.1 408 ") for one in answers)
        assert all(b'"code":"upload_too_slow"' in one for one in answers)
        assert [client.recv(10) for client in silent] == [b""] * CLIENTS


def test_slow_bodies_are_told_and_closed(tiny_folder: Path, tmp_path: Path) -> None:
    """An upload that does not arrive in its time is told 408, on a thread or not."""
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1", request_timeout_s="2") as server,
        slow_clients(server, SLOW["half a body"]) as clients,
    ):
        answers = [client.recv(4096) for client in clients]
        assert all(one.startswith(b"HTTP/1.1 408 ") for one in answers)


def test_body_in_drips_is_read_whole(tiny_folder: Path, tmp_path: Path) -> None:
    """A client that is slow but honest is served, however many others are slow too."""
    picture = jpeg()
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(picture) + picture
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1") as server,
        slow_clients(server, SLOW["half a body"]),
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as client,
    ):
        step = len(request) // 20
        for start in range(0, len(request), step):
            client.sendall(request[start : start + step])
            time.sleep(0.01)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_clients_that_do_not_read_hold_nobody(tiny_folder: Path, tmp_path: Path) -> None:
    """A large answer that nobody takes waits in the main loop, and others are served."""
    request = b"GET /docs/assets/redoc/js/redoc.standalone.js HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1", queue="0", slots="1") as server,
        slow_clients(server, request) as clients,
    ):
        for _ in range(10):
            assert server.get("/health").status == 200
            assert server.upload(jpeg()).status == 200
        assert clients[0].recv(12) == b"HTTP/1.1 200"
    assert not server.events("unforeseen_error")


def test_half_uploads_take_bounded_memory(tiny_folder: Path, tmp_path: Path) -> None:
    """When many large uploads stay half done, the oldest are given up and others are served."""
    half = HEAD + b"Content-Length: 10000000\r\n\r\n" + bytes(4_000_000)
    with (
        run_server(tmp_path, model=str(tiny_folder), workers="1") as server,
        ExitStack() as stack,
    ):
        clients = []
        for _ in range(60):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            clients.append(stack.enter_context(client))
            with suppress(ConnectionError):
                client.sendall(half)
        assert server.upload(jpeg()).status == 200
        given_up = [was_given_up(client) for client in clients]
        assert 25 < sum(given_up) < 45
        assert not any(given_up[-10:])
        resident = Path(f"/proc/{server.worker_pids()[0]}/statm").read_text().split()[1]
        assert int(resident) * 4096 < 600 * 1024**2


def was_given_up(client: socket.socket) -> bool:
    """Whether the server has refused a client's upload."""
    client.settimeout(0.02)
    try:
        return client.recv(12) == b"HTTP/1.1 503"
    except TimeoutError:
        return False
    except ConnectionError:
        return True
