"""A client that goes before its answer: 499 in the log and the metrics, and nothing is sent."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.functional.wire import HANG_S, head
from tests.live_server import LiveServer, form
from tests.pictures import jpeg

PICTURE = jpeg()
BODY, FORM = form(PICTURE)
WHOLE = head("POST", "/predict", Content_Type="image/jpeg", Content_Length=str(len(PICTURE)))
CHUNKED = head("POST", "/predict", Content_Type="image/jpeg", Transfer_Encoding="chunked")
MULTIPART = head("POST", "/predict", Content_Type=FORM, Content_Length=str(len(BODY)))
BEGUN = {
    "a whole upload": WHOLE + PICTURE,
    "a whole form": MULTIPART + BODY,
    "half an upload": WHOLE + PICTURE[: len(PICTURE) // 2],
    "half a form": MULTIPART + BODY[: len(BODY) // 2],
    "half a chunk": CHUNKED + b"fff\r\nabc",
    "chunks without their end": CHUNKED + b"3\r\nabc\r\n",
    "no byte of its body": WHOLE,
}


@contextmanager
def worker_held(server: LiveServer) -> Iterator[None]:
    """Hold the one worker still while the block runs; what clients do meanwhile it finds done."""
    (pid,) = server.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def gone(server: LiveServer) -> list[dict[str, object]]:
    """List the log lines of clients that went."""
    return [one for one in server.events("request") if one.get("code") == "client_disconnected"]


def wait_for_gone(server: LiveServer, count: int) -> list[dict[str, object]]:
    """Wait until so many clients are known to have gone."""
    end_s = time.monotonic() + HANG_S
    while len(gone(server)) < count:
        assert time.monotonic() < end_s, f"only {len(gone(server))} of {count}"
        time.sleep(0.02)
    return gone(server)


@pytest.mark.parametrize("begun", BEGUN)
def test_a_client_that_has_gone_is_told_nothing(alone: LiveServer, begun: str) -> None:
    """Whatever it had sent of an upload, nothing comes back, and the log says 499."""
    before = len(gone(alone))
    with socket.create_connection(("127.0.0.1", alone.port), timeout=HANG_S) as sock:
        with worker_held(alone):
            sock.sendall(BEGUN[begun])
            sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    line = wait_for_gone(alone, before + 1)[-1]
    assert (line["status"], line["route"], line["method"]) == (499, "/predict", "POST")
    assert "decode_ms" not in line


def test_clients_that_go_at_once_are_no_failures_of_the_service(alone: LiveServer) -> None:
    """Many that go while others are at work: each is counted as 499, and none as 5xx."""
    before = len(gone(alone))
    with worker_held(alone):
        for data in [*BEGUN.values()] * 3:
            with socket.create_connection(("127.0.0.1", alone.port), timeout=HANG_S) as sock:
                sock.sendall(data)
    lines = wait_for_gone(alone, before + 3 * len(BEGUN))
    assert not [one for one in alone.events("request") if one["status"] >= 500]
    text = alone.get("/metrics").body.decode()
    told = dict(one.rpartition(" ")[::2] for one in text.splitlines() if one[0] != "#")
    labels = 'method="POST",route="/predict",status="499"'
    assert float(told[f"topfive_request_duration_seconds_count{{{labels}}}"]) == len(lines)
    assert float(told['topfive_rejected_total{reason="client_disconnected"}']) == len(lines)


def test_others_are_served_after_them(alone: LiveServer) -> None:
    """No slot is lost to a client that went."""
    assert [alone.upload(PICTURE).status for _ in range(5)] == [200] * 5
    assert not alone.events("unforeseen_error")
