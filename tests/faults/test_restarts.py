"""Stopping, reloading and losing workers under load costs nobody an answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event

from tests.live_server import LiveServer, run_server
from tests.pictures import jpeg

# Between one client's requests: all together they send some hundred a second, and what is disturbed
# has processor time left to recover in.
PAUSE_S = 0.02


def answers_under_load(server: LiveServer, disturb: Callable[[], None]) -> list[int | str]:
    """Send pictures from several clients while `disturb` runs; returns statuses and errors."""
    stop, picture = Event(), jpeg()

    def send() -> list[int | str]:
        found: list[int | str] = []
        while not stop.is_set():
            try:
                found.append(server.upload(picture).status)
                time.sleep(PAUSE_S)
            except ConnectionRefusedError:
                found.append("refused")
                time.sleep(0.05)
            except (OSError, HTTPException) as error:
                found.append(type(error).__name__)
        return found

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(send) for _ in range(4)]
        time.sleep(0.5)
        disturb()
        time.sleep(0.5)
        stop.set()
    return [one for client in clients for one in client.result()]


def test_reload_loses_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    """`topfive reload` replaces every worker while each request is answered."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2") as server:
        before = set(server.worker_pids())

        def reload() -> None:
            command = [sys.executable, "-m", "topfive", "reload", str(server.process.pid)]
            subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
            end_s = time.monotonic() + 60
            while before & set(server.worker_pids()):
                assert time.monotonic() < end_s, "the old workers are still there"
                time.sleep(0.1)

        assert set(answers_under_load(server, reload)) == {200}
        assert len(server.worker_pids()) == 2


def test_killed_worker_costs_only_its_own_requests(tiny_folder: Path, tmp_path: Path) -> None:
    """Kill -9 loses at most what that worker had in flight, and another takes its place."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2") as server:
        victim = server.worker_pids()[0]

        def kill() -> None:
            os.kill(victim, signal.SIGKILL)
            end_s = time.monotonic() + 60
            while len(server.worker_pids()) < 2 or victim in server.worker_pids():
                assert time.monotonic() < end_s, "no worker took its place"
                time.sleep(0.1)

        found = answers_under_load(server, kill)
        lost = [one for one in found if one != 200]
        assert len(lost) <= 4
        assert found.count(200) > 20


def test_stop_serves_what_was_accepted(tiny_folder: Path, tmp_path: Path) -> None:
    """SIGTERM answers everyone who was let in, and refuses the rest."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2") as server:
        found = answers_under_load(server, server.stop)
        assert set(found) == {200, "refused"}
        assert server.process.returncode == 0


def test_stop_fails_readiness_first(tiny_folder: Path, tmp_path: Path) -> None:
    """After SIGTERM whoever is still connected is told at once that this is no place to send to."""
    with run_server(tmp_path, model=str(tiny_folder)) as server:
        connection = server.connect()
        try:
            assert readiness(connection) == 200
            server.process.send_signal(signal.SIGTERM)
            told = [200]
            while told[-1] == 200:
                told.append(readiness(connection))
            assert told[-1] == 503
        finally:
            connection.close()


def readiness(connection: HTTPConnection) -> int:
    """Ask /readyz on a connection that stays open; returns the status."""
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    response.read()
    return response.status


def test_stop_while_starting_is_clean(tiny_folder: Path, tmp_path: Path) -> None:
    """A stop that comes before the model is loaded ends without an error."""
    with run_server(tmp_path, is_ready=False, model=str(tiny_folder), workers="2") as server:
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert server.stop() == 0
        assert not [line for line in server.lines if "Traceback" in line]


def test_a_reload_keeps_what_was_counted(tiny_folder: Path, tmp_path: Path) -> None:
    """Quotas and metrics outlive the workers that counted them."""
    with run_server(tmp_path, model=str(tiny_folder), workers="2", rate_limit="5/hour") as server:
        assert [server.upload(jpeg()).status for _ in range(6)] == [200] * 5 + [429]
        reload_and_wait(server)
        assert server.upload(jpeg()).status == 429
        told = server.get("/metrics").body.decode()
        assert 'topfive_predictions_total{model="tiny",version="1"} 5.0' in told
        assert 'topfive_rejected_total{reason="rate_limited"} 2.0' in told
        assert "topfive_worker_restarts_total 0.0" in told
        reload_and_wait(server)
        assert server.get("/metrics").body.decode().count("topfive_worker_memory_bytes{") <= 2


def reload_and_wait(server: LiveServer) -> None:
    """Reload, and wait until no worker from before is left."""
    before = set(server.worker_pids())
    server.process.send_signal(signal.SIGHUP)
    end_s = time.monotonic() + 60
    while before & set(server.worker_pids()) or len(server.worker_pids()) < 2:
        assert time.monotonic() < end_s, "the old workers are still there"
        time.sleep(0.1)
