"""Batches on a real server: answered while they arrive, and what becomes of clients that go."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.functional.wire import HANG_S, head
from tests.live_server import BOUNDARY, LiveServer, form_of, run_server
from tests.pictures import jpeg

FORM = f"multipart/form-data; boundary={BOUNDARY}"
FILE = 'name="files"; filename="a.jpg"'
END = f"--{BOUNDARY}--\r\n".encode()
LINES = {"Accept": "application/x-ndjson"}


def part(picture: bytes) -> bytes:
    """Write one part of a form, up to the line of the next boundary."""
    return form_of((FILE, picture))[0].removesuffix(END)


class Sending:
    """A batch whose client sends a piece when a test says so, and reads lines meanwhile."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")

    def close(self) -> None:
        """Let the connection go."""
        self._file.close()

    def begin(self, **headers: str) -> None:
        """Send the head."""
        told = {"Content_Type": FORM, "Accept": "application/x-ndjson", **headers}
        self._sock.sendall(head("POST", "/predict/batch?top_k=1", **told))

    def send(self, data: bytes) -> None:
        """Send a chunk of the body; an empty one is its end."""
        self._sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def send_plain(self, data: bytes) -> None:
        """Send a piece of a body whose length was told."""
        self._sock.sendall(data)

    def read_head(self) -> str:
        """Read the answer's head; returns its first line."""
        first = self._file.readline().decode().strip()
        while self._file.readline() not in (b"\r\n", b""):
            pass
        return first

    def read_line(self) -> Any:
        """Read one chunk of the answer, which is a line; None at its end."""
        size = int(self._file.readline(), 16)
        data = self._file.read(size + 2)
        return json.loads(data) if size else None


@contextmanager
def sending(server: LiveServer) -> Iterator[Sending]:
    """Connect a client that sends in its own time."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        batch = Sending(sock)
        yield batch
        batch.close()


def lines(body: bytes) -> list[Any]:
    """Read the lines of an answer."""
    return [json.loads(line) for line in body.splitlines()]


@pytest.mark.parametrize("is_chunked", [True, False], ids=["in chunks", "of a known length"])
def test_a_line_is_there_before_the_next_picture_is_sent(
    alone: LiveServer, is_chunked: bool
) -> None:
    """Each picture is answered as soon as it has come, though its client sends nothing more."""
    pieces = [part(jpeg()), part(b"\x00no picture"), part(jpeg()), END]
    length = {"Content_Length": str(sum(map(len, pieces)))}
    with sending(alone) as batch:
        batch.begin(**({"Transfer_Encoding": "chunked"} if is_chunked else length))
        send = batch.send if is_chunked else batch.send_plain
        # A picture is whole when the boundary behind it has come, with the next one's beginning.
        boundary = f"--{BOUNDARY}\r\n".encode()
        send(pieces[0] + boundary)
        assert batch.read_head() == "HTTP/1.1 200 OK"
        assert batch.read_line()["ok"] is True
        send(pieces[1].removeprefix(boundary) + boundary)
        assert batch.read_line()["error"]["code"] == "unsupported_format"
        send(pieces[2].removeprefix(boundary) + END)
        if is_chunked:
            batch.send(b"")
        assert (batch.read_line() or {})["index"] == 2
        assert batch.read_line() is None


def test_a_client_may_read_after_it_has_sent_all(alone: LiveServer) -> None:
    """Most libraries do: all lines are there, in their order, and the connection is kept."""
    connection = alone.connect()
    body, _ = form_of(*[(FILE, jpeg())] * 64)
    for _ in range(2):
        connection.request("POST", "/predict/batch", body, {"Content-Type": FORM, **LINES})
        answer = connection.getresponse()
        assert [one["index"] for one in lines(answer.read())] == list(range(64))
        assert not answer.will_close
    connection.close()


def test_the_65th_picture_ends_the_batch(alone: LiveServer) -> None:
    """The 64 before it are lines; the document is refused."""
    *results, last = lines(alone.upload_batch(*[jpeg()] * 65, **LINES).body)
    assert [one["ok"] for one in results] == [True] * 64
    assert (last["index"], last["error"]["code"]) == (64, "batch_too_large")
    answer = alone.upload_batch(*[jpeg()] * 65)
    assert (answer.status, answer.code) == (413, "batch_too_large")


def test_a_large_picture_fails_alone(alone: LiveServer) -> None:
    """Eleven megabytes among good pictures are one result."""
    answer = alone.upload_batch(jpeg(), b"\xff\xd8" + bytes(11 * 1024 * 1024), jpeg())
    assert [one["ok"] for one in answer.json["results"]] == [True, False, True]
    assert answer.json["results"][1]["error"]["code"] == "file_too_large"


def test_a_length_beyond_the_limit_is_refused_unread(alone: LiveServer) -> None:
    """Who announces too much is answered before it has sent any of it."""
    with sending(alone) as batch:
        batch.begin(Content_Length=str(256 * 1024 * 1024 + 1))
        assert batch.read_head() == "HTTP/1.1 413 REQUEST ENTITY TOO LARGE"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"images": ' + b"[" * 10**6, "invalid_parameter"),
        (b'{"images": ["' + b"A" * 70_000_000 + b'"]}', "file_too_large"),
        (b'{"images": ["AAAA"' + b" " * 10**6, "malformed_request"),
    ],
    ids=["deep nesting", "a text of 70 MB", "blanks without end"],
)
def test_json_that_is_no_batch_is_refused_early(alone: LiveServer, body: bytes, code: str) -> None:
    """Deep nesting, a huge text and blanks end the request, which is not read on."""
    answer = alone.request("POST", "/predict/batch", body, {"Content-Type": "application/json"})
    assert answer.code == code


def test_a_client_that_goes_ends_its_batch(alone: LiveServer) -> None:
    """Closed in the middle of its body: the log says 499, and how far it had come."""
    with sending(alone) as batch:
        batch.begin(Transfer_Encoding="chunked", X_Request_ID="gone-in-its-body")
        batch.send(part(jpeg()) + f"--{BOUNDARY}\r\n".encode())
        batch.read_head()
        batch.read_line()
    line = alone.wait_for_line("gone-in-its-body")
    assert (line["status"], line["code"]) == (499, "client_disconnected")
    assert (line["pictures"], line["failed"]) == (1, 0)


def test_a_body_that_ends_too_early_is_told_in_the_last_line(alone: LiveServer) -> None:
    """As HTTP it is whole, as a form it is not."""
    with sending(alone) as batch:
        batch.begin(Transfer_Encoding="chunked")
        batch.send(part(jpeg()) + f"--{BOUNDARY}\r\n".encode())
        batch.read_head()
        assert batch.read_line()["ok"] is True
        batch.send(b"")
        assert batch.read_line()["error"]["code"] == "malformed_request"
        assert batch.read_line() is None


def test_pictures_are_what_is_counted(alone: LiveServer) -> None:
    """The log has one line, with the pictures and the failed ones; the metrics count each."""

    def count(name: str) -> float:
        text = alone.get("/metrics").body.decode()
        found = [line.split(" ")[1] for line in text.splitlines() if line.startswith(name)]
        return sum(map(float, found))

    names = ("topfive_predictions_total{", 'topfive_rejected_total{reason="empty_file"}')
    before = [count(one) for one in names]
    answer = alone.upload_batch(jpeg(), b"", jpeg(), jpeg())
    line = alone.wait_for_line(answer.headers["X-Request-ID"])
    assert (line["pictures"], line["failed"], line["status"]) == (4, 1, 200)
    assert "top_class" not in line
    assert [count(one) - was for one, was in zip(names, before, strict=True)] == [3, 1]


def test_a_server_that_stops_answers_the_rest(tiny_folder: Path, tmp_path: Path) -> None:
    """What has not begun some time later is told so; the batch is answered to its end."""
    boundary = f"--{BOUNDARY}\r\n".encode()
    picture = part(jpeg()).removeprefix(boundary) + boundary
    settings = {"request_timeout_s": "2", "batch_max_pictures": "1000"}
    with (
        run_server(tmp_path, model=str(tiny_folder), **settings) as server,
        sending(server) as batch,
    ):
        batch.begin(Transfer_Encoding="chunked")
        batch.send(boundary)
        batch.send(picture)
        batch.read_head()
        assert batch.read_line()["ok"] is True
        server.process.send_signal(signal.SIGTERM)
        batch.send(picture)
        while batch.read_line()["ok"]:
            # Batches that end soon lose nothing.
            time.sleep(0.01)
            batch.send(picture)
        batch.send(picture.removesuffix(b"\r\n") + b"--\r\n")
        batch.send(b"")
        assert batch.read_line()["error"]["code"] == "shutting_down"
        assert batch.read_line() is None
        assert server.stop() == 0
