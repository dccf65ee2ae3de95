"""Starts the real server, as an operator does, and talks to it over real sockets."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.parse import urlsplit

START_WITHIN_S = 60
STOP_WITHIN_S = 45
BOUNDARY = "tests-boundary-7MA4YWxk"


@dataclass
class Answer:
    """A response: its status, headers and body."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The failure's code; checks that the body is a whole problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = self.json
        assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["X-Request-ID"]
        return str(problem["code"])


@dataclass
class LiveServer:
    """A running server: its address, its process and what it has logged."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.url).port or 0

    def connect(self, timeout_s: float = 60) -> http.client.HTTPConnection:
        """Open a connection that the caller closes."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path."""
        return self.request("GET", path, headers=headers)

    def upload(
        self,
        picture: bytes,
        path: str = "/predict",
        name: str = "file",
        filename: str = "photo.jpg",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """POST a picture as a multipart form does."""
        body, content_type = form(picture, name, filename)
        return self.request("POST", path, body, {"Content-Type": content_type} | (headers or {}))

    def upload_batch(self, *pictures: bytes, query: str = "", **headers: str) -> Answer:
        """POST pictures as a form does that has a part for each."""
        said = 'name="files"; filename="photo.jpg"'
        body, content_type = form_of(*[(said, one) for one in pictures])
        path = f"/predict/batch{query}"
        return self.request("POST", path, body, {"Content-Type": content_type} | headers)

    def worker_pids(self) -> list[int]:
        """List the worker processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(int(pid) for pid in path.read_text().split())

    def events(self, event: str) -> list[dict[str, Any]]:
        """List the logged events of that name."""
        found = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [one for one in found if one.get("event") == event]

    def wait_for_line(self, request_id: str, within_s: float = 60) -> dict[str, Any]:
        """Wait until a request's line has come out of the log, which is after its answer."""
        end_s = time.monotonic() + within_s
        while True:
            for line in self.events("request"):
                if line["request_id"] == request_id:
                    return line
            assert time.monotonic() < end_s, f"no line of {request_id}"
            time.sleep(0.02)

    def wait_for_health(self, status: str, within_s: float = 60) -> dict[str, Any]:
        """Wait until /health has that status; returns its answer."""
        end_s = time.monotonic() + within_s
        while True:
            health: dict[str, Any] = self.get("/health").json
            if health["status"] == status:
                return health
            assert time.monotonic() < end_s, f"still {health}"
            time.sleep(0.2)

    def stop(self) -> int:
        """Ask it to stop as an operator does; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def form(picture: bytes, name: str = "file", filename: str = "photo.jpg") -> tuple[bytes, str]:
    """Make a multipart body with one file, and its content type."""
    return form_of((f'name="{name}"; filename="{filename}"\r\nContent-Type: image/jpeg', picture))


def form_of(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    """Make a multipart body of parts, each what its disposition says and its content."""
    body = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {said}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for said, content in parts
    )
    return body + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def server_environment(settings: dict[str, str]) -> dict[str, str]:
    """Make the environment of a server: this process's, without settings but those given.

    Where nothing is said of workers there is one: each takes half a second to start.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TOPFIVE_") and name not in ("PORT", "WEB_CONCURRENCY")
    }
    small = {
        "TOPFIVE_HOST": "127.0.0.1",
        "TOPFIVE_PORT": "0",
        "TOPFIVE_RATE_LIMIT": "",
        "TOPFIVE_WORKERS": "1",
    }
    return inherited | small | settings


@contextmanager
def run_server(
    folder: Path,
    is_ready: bool = True,
    module: str = "topfive",
    stderr: int | IO[str] = subprocess.STDOUT,
    **settings: str,
) -> Iterator[LiveServer]:
    """Run `topfive serve` in `folder` until the block ends; then it must stop with exit code 0."""
    given = {f"TOPFIVE_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve"],
        cwd=folder,
        env=server_environment(given) | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        errors="replace",
    )
    server = LiveServer(process)
    assert process.stdout is not None
    reader = Thread(target=_collect, args=(process.stdout, server.lines))
    reader.start()
    try:
        _wait_until_listening(server, is_ready)
        yield server
        assert server.stop() == 0, "\n".join(server.lines[-20:])
    finally:
        server.stop()
        reader.join()
        process.stdout.close()


def _collect(stream: Any, lines: list[str]) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))


def _listening_url(server: LiveServer) -> str:
    """Find the server's address in its log, of either form; empty while it is not there."""
    urls = [event["url"] for event in server.events("listening")]
    urls += [line.split()[-1] for line in list(server.lines) if " Listening on http" in line]
    return urls[0] if urls else ""


def _wait_until_listening(server: LiveServer, is_ready: bool) -> None:
    end_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end_s:
        assert server.process.poll() is None, "\n".join(server.lines)
        server.url = _listening_url(server)
        if server.url:
            wanted = (200,) if is_ready else (200, 503)
            if server.get("/readyz").status in wanted:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start: " + "\n".join(server.lines))
