"""A batch as a client sends it: many pictures in one form, and an answer of one line each."""

import json
import socket
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from itertools import cycle, islice
from threading import Thread

from uploads import BOUNDARY, Address

PART_HEAD = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="files"; filename="photo.jpg"\r\n'
    "Content-Type: image/jpeg\r\n\r\n"
).encode()
END = f"--{BOUNDARY}--\r\n".encode()
TIMEOUT_S = 120.0
LINES, WHOLE = "application/x-ndjson", "application/json"


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: its head and its body, in pieces that share the pictures' bytes."""

    pictures: int
    pieces: tuple[bytes, ...]
    accept: str


@dataclass(slots=True)
class BatchResult:
    """What came back: results that are predictions, the others by their code, and when."""

    right: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    started_s: float = 0.0
    first_s: float = 0.0
    ended_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """From connecting to the end of the answer."""
        return self.ended_s - self.started_s


def build_batch(pictures: Sequence[bytes], count: int, accept: str = LINES) -> Batch:
    """Build a form of `count` pictures, those given in turn."""
    chosen = list(islice(cycle(pictures), count))
    length = sum(len(PART_HEAD) + len(one) + 2 for one in chosen) + len(END)
    head = (
        "POST /predict/batch HTTP/1.1\r\n"
        "Host: localhost\r\n"
        f"Accept: {accept}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()
    parts = (piece for one in chosen for piece in (PART_HEAD, one, b"\r\n"))
    return Batch(count, (head, *parts, END), accept)


class Sending:
    """One batch on a connection of its own: sent by one thread, read by the caller's."""

    def __init__(self, address: Address, batch: Batch) -> None:
        self._batch = batch
        self.result = BatchResult(started_s=time.perf_counter())
        self._socket = socket.create_connection((address.host, address.port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self) -> BatchResult:
        """Send all of it while the answer is read to its end; what breaks is counted."""
        sender = Thread(target=self._send, daemon=True)
        sender.start()
        try:
            self._read()
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            self.result.failed[type(error).__name__] += 1
        finally:
            self.cancel()
            self._socket.close()
            sender.join()
        self.result.ended_s = time.perf_counter()
        return self.result

    def cancel(self) -> None:
        """Go away; may be called from another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self) -> None:
        # The server may answer, and close, before it has read all.
        with suppress(OSError):
            for piece in self._batch.pieces:
                self._socket.sendall(piece)

    def _read(self) -> None:
        response = HTTPResponse(self._socket)
        response.begin()
        if response.status != 200:
            self.result.failed[str(json.loads(response.read()).get("code", response.status))] += 1
            return
        if self._batch.accept == WHOLE:
            for one in json.loads(response.read())["results"]:
                self._count(one)
            return
        while line := response.readline():
            self._count(json.loads(line))

    def _count(self, one: dict[str, object]) -> None:
        self.result.first_s = self.result.first_s or time.perf_counter()
        if one["ok"]:
            self.result.right += 1
        else:
            self.result.failed[str(one["error"]["code"])] += 1


def send_batch(address: Address, batch: Batch) -> BatchResult:
    """Send one batch and read its answer."""
    return Sending(address, batch).run()
