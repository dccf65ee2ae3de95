"""Workers that are killed in the middle of a swap leave nothing half done."""

import os
import random
import signal
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.faults.test_restarts import answers_under_load
from tests.faults.test_swaps import _activate, _order, _versions, _wait_until_settled
from tests.live_server import LiveServer, run_server
from tests.unit.bundle_copies import copy_bundle


@pytest.fixture(scope="module")
def server(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Two workers that serve flowers 1, beside which there is flowers 2."""
    root = tmp_path_factory.mktemp("killed") / "models"
    for version in ("1", "2"):
        copy_bundle(tiny_folder, root / "flowers" / version, name="flowers", version=version)
    with run_server(root.parent, model="flowers@1", workers="2") as running:
        _wait_until_settled(running)
        yield running


def test_a_worker_killed_in_the_middle_of_a_swap_does_not_stop_it(server: LiveServer) -> None:
    """The one in its place loads too, then all switch; the other answers all the while."""

    def swap_and_kill() -> None:
        assert _order(server, "activate", "2", wait_s=0).json["settled"] is False
        time.sleep(0.5)
        assert _versions(server) == {"1"}, "it waits for the worker that does nothing"
        os.kill(victim, signal.SIGKILL)
        _wait_until_settled(server)

    victim = server.worker_pids()[1]
    # A worker that is stopped loads nothing: the swap is sure to be in its middle.
    os.kill(victim, signal.SIGSTOP)
    statuses = answers_under_load(server, swap_and_kill)
    assert set(statuses) == {200}
    assert victim not in server.worker_pids()
    assert _versions(server) == {"2"}
    _activate(server, "1")


@pytest.mark.parametrize("seed", range(4))
def test_workers_killed_at_any_moment_agree_in_the_end(server: LiveServer, seed: int) -> None:
    """Whenever it happens, all mean the old version or all mean the new one."""
    chance = random.Random(seed)
    for version in ("2", "1"):
        assert _order(server, "activate", version, wait_s=0).status == 202
        time.sleep(chance.uniform(0, 0.8))
        os.kill(chance.choice(server.worker_pids()), signal.SIGKILL)
        _wait_until_settled_again(server)
        assert _versions(server) == {version}


def _wait_until_settled_again(server: LiveServer) -> None:
    """Wait, though connections to a worker that was just killed may break."""
    for _ in range(20):
        try:
            _wait_until_settled(server)
            if len(server.worker_pids()) == 2:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.1)
    raise AssertionError("there are not two workers again")
