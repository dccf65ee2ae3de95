"""Fuzzes what reads a request before Flask does: multipart bodies and the heads of requests.

Run it with `python -m tests.fuzz.fuzz_requests`, with libFuzzer's options (-max_total_time=240,
-runs=1000) or files to try again. See `start` for the defaults.
"""

import socket
import sys
from math import inf

import atheris

from tests.fuzz.start import fuzz

with atheris.instrument_imports(include=["topfive", "werkzeug.http", "gunicorn.http"]):
    from gunicorn.config import Config
    from gunicorn.http.errors import ParseException
    from gunicorn.http.parser import RequestParser

    from tests.live_server import BOUNDARY, form
    from topfive.api.multipart import find_parts
    from topfive.errors import MalformedRequest
    from topfive.server.connection import MAX_HEAD_BYTES, Connection

BOUNDARIES = (BOUNDARY, "b", "", "\xff", "a b", "-" * 70, "é'\"\\", "x" * 250)
_CLIENT = ("127.0.0.1", 50000)
_CONFIG = Config()


def read_any(data: bytes) -> None:
    """Read bytes as a body or as a head, as their first byte says."""
    kind = data[0] if data else 0
    if kind < 128:
        read_form(data[1:], BOUNDARIES[kind % len(BOUNDARIES)])
    else:
        read_head(data[1:], pieces=kind - 127)


def read_form(body: bytes, boundary: str) -> None:
    """Find the parts; each must lie in the body after the one before, and survive in a new form.

    Anything but parts or MalformedRequest is a finding.
    """
    try:
        found = find_parts(body, boundary)
    except MalformedRequest:
        return
    end = 0
    for one in found:
        assert end < one.start <= one.end <= len(body)
        end = one.end
        content = body[one.start : one.end]
        assert b"\r\n--" + boundary.encode("latin-1", "replace") + b"--" not in content
        if BOUNDARY.encode() not in content:
            again = form(content)[0]
            (only,) = find_parts(again, BOUNDARY)
            assert again[only.start : only.end] == content


def read_head(data: bytes, pieces: int) -> None:
    """Collect a head in one piece and in several; both must be told apart alike, and as Gunicorn.

    Anything that differs is a finding: a thread would be given half a request, or none.
    """
    data = data[:MAX_HEAD_BYTES]
    whole, parts = _collected([data]), _collected(_cut(data, pieces))
    assert whole == parts, (whole, parts)
    has_head, missing_bytes, _ = whole
    assert missing_bytes >= 0
    declared = _gunicorn_length(data) if has_head else None
    if declared is not None and missing_bytes != inf:
        end = data.index(b"\r\n\r\n") + 4
        assert missing_bytes == max(0, end + declared - len(data)), (missing_bytes, declared)


def _cut(data: bytes, pieces: int) -> list[bytes]:
    step = max(1, len(data) // pieces)
    return [data[start : start + step] for start in range(0, len(data), step)]


def _collected(pieces: list[bytes]) -> tuple[bool, float, bool]:
    """Send pieces over a real pair of sockets; tell what the connection makes of them."""
    ours, theirs = socket.socketpair()
    with theirs:
        connection = Connection(_CONFIG, ours, _CLIENT, _CLIENT, lambda one: None)
        for piece in pieces:
            if piece:
                theirs.sendall(piece)
                assert connection.collect()
        answer = connection.has_head, connection.missing_bytes(), connection.is_prediction
        assert connection.held_bytes == sum(map(len, pieces))
        connection.close()
    return answer


def _gunicorn_length(data: bytes) -> int | None:
    """Ask Gunicorn's parser for the length of the body; None if it refuses the head."""
    try:
        message = next(RequestParser(_CONFIG, iter([data]), _CLIENT))
    except (ParseException, StopIteration):
        return None
    length = getattr(message.body.reader, "length", None)
    return length if isinstance(length, int) and length < 10**18 else None


def seeds() -> list[bytes]:
    """Make bodies and heads, each with the byte before it that `read_any` looks for."""
    two = form(b"GIF89a", "note")[0].removesuffix(f"--{BOUNDARY}--\r\n".encode()) + form(b"x")[0]
    bodies = [form(b"picture")[0], form(b"", "image")[0], two, b"pre\r\n" + two + b"post"]
    other = [body.replace(BOUNDARY.encode(), b"b") for body in bodies]
    heads = [
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /predict?top_k=3 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
        b"POST /predict/batch HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n",
        b"PUT / HTTP/1.0\r\ncontent-length:\t0007 \r\nExpect: 100-continue\r\n\r\n",
    ]
    return [
        *(b"\x00" + body for body in bodies),
        *(b"\x01" + body for body in other),
        *(bytes([128 + 3 * number]) + head for number, head in enumerate(heads)),
    ]


if __name__ == "__main__":
    fuzz(read_any, seeds(), sys.argv[1:])
