"""Batches as bytes on the wire, whole or in part, and what is answered to them."""

import http.client
import json
import socket
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.functional.wire import head
from tests.live_server import BOUNDARY, Answer, LiveServer, form_of

PATH = "/predict/batch"
LINES = "application/x-ndjson"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
JSON = "application/json"
WITHIN_S = 60


def form_batch(pictures: Iterable[bytes]) -> bytes:
    """Make a form of pictures, each a file called `files`."""
    said = 'name="files"; filename="photo.jpg"\r\nContent-Type: image/jpeg'
    return form_of(*((said, one) for one in pictures))[0]


def json_batch(pictures: Iterable[bytes]) -> bytes:
    """Make a JSON document of pictures in base64."""
    return json.dumps({"images": [b64encode(one).decode() for one in pictures]}).encode()


def send(server: LiveServer, body: bytes, kind: str = FORM, accept: str = JSON) -> Answer:
    """Send a batch and read the whole answer."""
    return server.request("POST", PATH, body, {"Content-Type": kind, "Accept": accept})


def lines(answer: Answer) -> list[dict[str, Any]]:
    """Read an answer of lines; checks that they are numbered in order."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"].partition(";")[0] == LINES
    found = [json.loads(line) for line in answer.body.splitlines()]
    assert [one["index"] for one in found] == list(range(len(found)))
    return found


def codes(results: Iterable[dict[str, Any]]) -> list[str]:
    """Tell of each result the failure's code, or that it is a prediction."""
    return ["ok" if one["ok"] else one["error"]["code"] for one in results]


@dataclass
class Upload:
    """A batch on a connection of its own, of which a test sends as much as it likes."""

    socket: socket.socket

    def send(self, data: bytes) -> bool:
        """Send more; False where the server has ended the connection meanwhile."""
        with suppress(ConnectionError):
            self.socket.sendall(data)
            return True
        return False

    def response(self) -> http.client.HTTPResponse:
        """Read the answer's head; its body can be read line by line."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response

    def answer(self) -> Answer:
        """Read the whole answer."""
        response = self.response()
        return Answer(response.status, response.headers, response.read())


@contextmanager
def uploading(
    server: LiveServer,
    length: int | None,
    kind: str = FORM,
    accept: str = LINES,
    path: str = PATH,
) -> Iterator[Upload]:
    """Begin a batch whose body is announced to have `length` bytes, or to come in chunks."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=WITHIN_S) as connection:
        upload = Upload(connection)
        framing = {"Transfer_Encoding": "chunked"}
        if length is not None:
            framing = {"Content_Length": str(length)}
        upload.send(head("POST", path, Content_Type=kind, Accept=accept, **framing))
        yield upload


def resident_bytes(server: LiveServer) -> int:
    """Add up the memory of all workers."""
    pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in server.worker_pids()]
    return sum(map(int, pages)) * 4096
