"""Servers that tests use as model stores: files over HTTP, S3 by moto, and faults before both."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.redis_server import free_port

_START_WITHIN_S = 30
KEY = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass
class Answer:
    """What a server answers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Source = Callable[[BaseHTTPRequestHandler, bytes], Answer]
# Is given the handler, what is to be answered, and an event that ends with the server.
Fault = Callable[[BaseHTTPRequestHandler, Answer, Event], None]


class FaultyServer:
    """An HTTP server whose answers go wrong: by a word in the path, so many times each."""

    def __init__(self, source: Source, port: int = 0) -> None:
        self.faults: dict[str, tuple[Fault, int]] = {}
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self._ending = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler(source))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def break_path(self, word: str, fault: Fault, times: int = 1000) -> None:
        """Let the next answers to paths that hold `word` go wrong."""
        self.faults[word] = (fault, times)

    def close(self) -> None:
        """Stop serving, and let go what is stalled."""
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next_fault(self, path: str) -> Fault | None:
        for word, (fault, times) in self.faults.items():
            if word in path and times > 0:
                self.faults[word] = (fault, times - 1)
                return fault
        return None

    def _handler(self, source: Source) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                outer.seen.append((self.command, self.path, dict(self.headers.items())))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = source(self, body)
                fault = outer._next_fault(self.path) if self.command == "GET" else None
                try:
                    (fault or send)(self, answer, outer._ending)
                except OSError:
                    self.close_connection = True

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def send(handler: BaseHTTPRequestHandler, answer: Answer, _ending: Event) -> None:
    """Answer as it should be."""
    send_head(handler, answer, len(answer.body))
    if handler.command != "HEAD":
        handler.wfile.write(answer.body)


def send_head(handler: BaseHTTPRequestHandler, answer: Answer, length: int) -> None:
    """Send the status and headers, with this length unless the headers have one."""
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    if "Content-Length" not in answer.headers:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


def cut_off(handler: BaseHTTPRequestHandler, answer: Answer, _ending: Event) -> None:
    """Send half of the body, then end the connection."""
    send_head(handler, answer, len(answer.body))
    handler.wfile.write(answer.body[: len(answer.body) // 2])
    handler.close_connection = True


def corrupt(handler: BaseHTTPRequestHandler, answer: Answer, ending: Event) -> None:
    """Send the body with one bit changed."""
    changed = bytearray(answer.body)
    changed[len(changed) // 2] ^= 1
    send(handler, Answer(answer.status, bytes(changed), answer.headers), ending)


def stall(handler: BaseHTTPRequestHandler, answer: Answer, ending: Event) -> None:
    """Send half of the body, then nothing more."""
    send_head(handler, answer, len(answer.body))
    handler.wfile.write(answer.body[: len(answer.body) // 2])
    handler.wfile.flush()
    ending.wait()
    handler.close_connection = True


def trickle(handler: BaseHTTPRequestHandler, answer: Answer, ending: Event) -> None:
    """Send the body byte by byte."""
    send_head(handler, answer, len(answer.body))
    for number in range(len(answer.body)):
        handler.wfile.write(answer.body[number : number + 1])
        handler.wfile.flush()
        if ending.wait(0.05):
            break
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler, answer: Answer, ending: Event) -> None:
    """Send bytes for as long as anybody reads, and tell no length."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not ending.is_set():
        handler.wfile.write(b"0" * 65536)
    handler.close_connection = True


def answering(status: int, **headers: str) -> Fault:
    """Make a fault that answers with a status instead."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    def fault(handler: BaseHTTPRequestHandler, _answer: Answer, ending: Event) -> None:
        send(handler, Answer(status, b"", given), ending)

    return fault


@contextmanager
def serve_directory(root: Path) -> Iterator[FaultyServer]:
    """Serve the files below a directory, as any web server does."""

    def source(handler: BaseHTTPRequestHandler, _body: bytes) -> Answer:
        path = root / urlsplit(handler.path).path.lstrip("/")
        return Answer(200, path.read_bytes()) if path.is_file() else Answer(404, b"not here")

    server = FaultyServer(source)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def before(url: str, port: int = 0) -> Iterator[FaultyServer]:
    """Hand every request on to another server, so that its answers can go wrong."""
    netloc = urlsplit(url).netloc

    def source(handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        upstream = HTTPConnection(netloc, timeout=20)
        headers = {name: value for name, value in handler.headers.items() if name != "Connection"}
        upstream.request(handler.command, handler.path, body, headers)
        found = upstream.getresponse()
        content = found.read()
        upstream.close()
        dropped = {"connection", "transfer-encoding", "date", "server"}
        kept = {name: value for name, value in found.getheaders() if name.lower() not in dropped}
        return Answer(found.status, content, kept)

    server = FaultyServer(source, port)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def run_moto() -> Iterator[str]:
    """Run moto's server until the block ends; gives its URL, which AWS_ENDPOINT_URL takes."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            urlopen(f"{url}/moto-api/data.json", timeout=5).close()
        except OSError:
            assert process.poll() is None, "moto has ended"
            assert time.monotonic() < end_s, "moto did not start"
            time.sleep(0.05)
        else:
            return


def make_bucket(url: str, name: str) -> None:
    """Make an S3 bucket on moto."""
    _call(url, "PUT", f"/{name}")


def put_object(url: str, path: str, body: bytes) -> None:
    """Put an object there, without any of the code that is tested."""
    _call(url, "PUT", f"/{path}", body)


def delete_object(url: str, path: str) -> None:
    """Delete an object."""
    _call(url, "DELETE", f"/{path}")


def ask_for_rights(url: str, is_wanted: bool) -> None:
    """Have moto check signatures and rights from now on, or no more."""
    count = "0" if is_wanted else "inf"
    _call(url, "POST", "/moto-api/reset-auth", count.encode())


def _call(url: str, method: str, path: str, body: bytes | None = None) -> bytes:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    headers = {"Authorization": authorization, "Content-Type": "application/octet-stream"}
    request = Request(url + path, body, headers, method=method)
    with urlopen(request, timeout=20) as answer:
        content: bytes = answer.read()
        return content


def change_json(path: Path, **changes: object) -> None:
    """Change top-level values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
