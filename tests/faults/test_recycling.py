"""Workers that retire after a number of requests cost nobody an answer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.live_server import LiveServer, form, run_server
from tests.pictures import jpeg

CONFIGURATION = Path(__file__).parents[2] / "docker" / "gunicorn.conf.py"
RETIRING = f"--config {CONFIGURATION} --max-requests 40 --max-requests-jitter 10"
APP = "from topfive.api import create_app\n\napplication = create_app()\n"
PER_CLIENT = 67


def send(connection: HTTPConnection, *, keeps_open: bool) -> int | str:
    """Post one picture; returns the status, or the name of what went wrong."""
    body, content_type = form(jpeg())
    try:
        connection.request("POST", "/predict", body, {"Content-Type": content_type})
        response = connection.getresponse()
        response.read()
    except (OSError, HTTPException) as error:
        connection.close()
        return type(error).__name__
    if not keeps_open:
        connection.close()
    return response.status


def send_many(server: LiveServer, *, keeps_open: bool) -> list[int | str]:
    """Post pictures one after another, over one connection or over many."""
    connection = server.connect()
    try:
        return [send(connection, keeps_open=keeps_open) for _ in range(PER_CLIENT)]
    finally:
        connection.close()


def wait_until(holds: Callable[[], bool], what: str, within_s: float = 30) -> None:
    """Wait until something holds; fails with `what` if it does not come to that."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, what
        time.sleep(0.1)


def test_retiring_workers_lose_nothing(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under plain Gunicorn with max_requests every request is answered while workers change."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", RETIRING)
    (tmp_path / "serve.py").write_text(APP)
    with run_server(tmp_path, module="gunicorn", model=str(tiny_folder), workers="2") as server:
        before = set(server.worker_pids())
        with ThreadPoolExecutor(6) as pool:
            clients = [
                pool.submit(send_many, server, keeps_open=number % 2 == 0) for number in range(6)
            ]
        answers = [one for client in clients for one in client.result()]
        assert (len(answers), set(answers)) == (6 * PER_CLIENT, {200})
        wait_until(lambda: len(server.worker_pids()) == 2, "a worker was not replaced")
        assert not before & set(server.worker_pids())
        assert not server.events("unforeseen_error")
    assert not [line for line in server.lines if "Traceback" in line]
