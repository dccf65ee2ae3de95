"""What was answered is kept when workers end: all of it, or all but a killed one's last batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.history.serving import ids_under_load, kept_records, wait_until, written
from tests.live_server import LiveServer, run_server

# The most that one batch has.
MOST_IN_BATCH = 500


def wait_for_workers(server: LiveServer, gone: set[int]) -> None:
    """Wait until two workers serve, and none of those that were to go."""
    wait_until(
        lambda: len(server.worker_pids()) == 2 and not gone & set(server.worker_pids()),
        "the workers were replaced",
    )


def test_all_that_was_answered_survives_reloads_and_the_end(
    history_url: str, tmp_path: Path
) -> None:
    """Under load `topfive reload` and SIGTERM cost the history not one prediction."""
    with run_server(tmp_path, model="digits", workers="2", history_url=history_url) as server:

        def reload_and_stop() -> None:
            before = set(server.worker_pids())
            command = [sys.executable, "-m", "topfive", "reload", str(server.process.pid)]
            subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
            wait_for_workers(server, before)
            assert server.stop() == 0

        answered = ids_under_load(server, reload_and_stop)
    kept = {one.id for one in kept_records(history_url)}
    assert len(answered) > 100
    assert answered <= kept
    assert server.events("history_dropped") == server.events("history_down") == []


def test_a_killed_worker_costs_at_most_its_last_batch(history_url: str, tmp_path: Path) -> None:
    """What was written before is there, and so is all that is answered after."""
    with run_server(tmp_path, model="digits", workers="2", history_url=history_url) as server:
        before = ids_under_load(server, lambda: None)
        wait_until(lambda: written(server) == len(before), "all is written")
        victim = server.worker_pids()[0]

        def kill() -> None:
            os.kill(victim, signal.SIGKILL)
            wait_for_workers(server, {victim})

        meanwhile = ids_under_load(server, kill)
        after = ids_under_load(server, lambda: None)
    kept = {one.id for one in kept_records(history_url)}
    assert min(len(before), len(meanwhile), len(after)) > 50
    assert before | after <= kept
    assert len(meanwhile - kept) <= MOST_IN_BATCH
