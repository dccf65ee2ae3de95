"""A server on the loopback that answers what a test has written down, byte by byte."""

import json
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from threading import Thread
from typing import Any

# What one request is answered with: pieces, after which the connection ends.
Script = bytes | Iterable[bytes]


@dataclass
class Seen:
    """A request as it arrived; `went_at` is how many bytes of the answer had been sent by then."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def pictures(self) -> list[bytes]:
        """The parts of a form; each ends where the next boundary begins."""
        boundary = self.headers["content-type"].partition("boundary=")[2].encode()
        parts = self.body.split(b"--" + boundary)[1:-1]
        return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]


@dataclass
class ScriptedServer:
    """Answers one request after the other with what is next in `script`, or by path in `always`."""

    listener: socket.socket
    script: list[Script] = field(default_factory=list)
    always: dict[str, Script] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    clients_gone: int = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def requests(self, path: str) -> list[Seen]:
        """List the requests for a path, without their query."""
        return [one for one in self.seen if one.path.partition("?")[0] == path]

    def wait_for_gone(self, count: int) -> None:
        """Wait until so many clients have gone before their answer was sent."""
        end_s = time.monotonic() + 20
        while self.clients_gone < count:
            assert time.monotonic() < end_s, f"{self.clients_gone} clients have gone"
            time.sleep(0.01)

    def run(self) -> None:
        """Serve one connection at a time, until the listener is shut down."""
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(10)
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        seen = _read_request(connection)
        if seen is None:
            return
        self.seen.append(seen)
        path = seen.path.partition("?")[0]
        script = self.always.get(path) or (self.script.pop(0) if self.script else NOT_EXPECTED)
        try:
            for piece in [script] if isinstance(script, bytes) else script:
                connection.sendall(piece)
        except OSError:
            self.clients_gone += 1


def _read_request(connection: socket.socket) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
        if data.startswith(b"\x16"):
            # The beginning of TLS: web servers answer so where they were told to speak HTTP.
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    line, _, rest = head.partition(b"\r\n")
    headers = {
        name.lower(): value for name, value in parse_headers(BytesIO(rest + b"\r\n\r\n")).items()
    }
    method, path, _ = line.decode().split(" ")
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Seen(method, path, headers, body)


@contextmanager
def run_scripted() -> Iterator[ScriptedServer]:
    """Run a server until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ScriptedServer(listener)
        thread = Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def response(
    found: Any, status: int = 200, content_type: str = "application/json", **headers: str
) -> bytes:
    """Make a whole response; its body is JSON, or bytes as they are."""
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Type": content_type, "Content-Length": str(len(body)), **named}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}Connection: close\r\n\r\n".encode() + body


def problem(code: str, status: int, **headers: str) -> bytes:
    """Make a failure as topfive answers it."""
    found = {"code": code, "detail": f"It is {code}.", "status": status, "request_id": "id-7"}
    return response(found, status, "application/problem+json", **headers)


def lines(*found: Any) -> bytes:
    """Make a batch's answer, whose end is the end of the connection."""
    body = "".join(json.dumps(one) + "\n" for one in found).encode()
    return (
        b"HTTP/1.1 200 Said\r\nContent-Type: application/x-ndjson\r\nX-Request-ID: id-8\r\n"
        b"Connection: close\r\n\r\n" + body
    )


NOT_EXPECTED = problem("not_expected", 500)


def cut(whole: bytes, by: int = 5) -> bytes:
    """Take bytes from a response's end, whose length stays as it was told."""
    return whole[:-by]
