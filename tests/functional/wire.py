"""Bytes on the wire that no well-behaved client library would send."""

import http.client
import re
import socket
from collections.abc import Iterable

from tests.live_server import Answer, LiveServer

HANG_S = 20


def ask(server: LiveServer, *pieces: bytes) -> Answer:
    """Send all pieces, whatever the server says meanwhile, and then read one response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        for piece in pieces:
            sock.sendall(piece)
        response = http.client.HTTPResponse(sock)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def exchange(server: LiveServer, data: bytes) -> bytes:
    """Send data, say that no more comes, and return everything that is answered until the end."""
    answered = bytearray()
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while received := sock.recv(65536):
                answered += received
        except (BrokenPipeError, ConnectionResetError):
            # Refusing garbage in the middle is the server's right.
            pass
    return bytes(answered)


def head(method: str, path: str, **headers: str) -> bytes:
    """Write a request's head; underscores in header names stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(body: bytes, size: int = 65536) -> Iterable[bytes]:
    """Cut a body into the pieces of chunked transfer coding."""
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def unescape(text: bytes) -> bytes:
    """Read a request as its authors wrote it: only its written-out line breaks are meant."""
    named = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
    flat = text.replace(b"\r", b"").replace(b"\n", b"")
    return re.sub(
        rb"\\(?:x([0-9a-fA-F]{2})|([rnt0\\]))",
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else named[found[2]],
        flat,
    )


def answers_in(data: bytes) -> list[Answer]:
    """Split what was answered into whole responses; the rest of one that is not whole is left."""
    found = []
    while (end := data.find(b"\r\n\r\n")) != -1:
        status, *lines = data[:end].decode("latin-1").split("\r\n")
        headers = http.client.HTTPMessage()
        for line in lines:
            name, _, value = line.partition(": ")
            headers[name] = value
        version, number = status.split(" ")[:2]
        assert version in ("HTTP/1.0", "HTTP/1.1"), status
        size = 0 if number == "100" else int(headers["Content-Length"])
        body = data[end + 4 : end + 4 + size]
        if len(body) < size:
            break
        found.append(Answer(int(number), headers, body))
        data = data[end + 4 + size :]
    return found
