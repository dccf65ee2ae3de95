"""A worker in which an inference hangs is seen, taken out of rotation and replaced."""

import time
from pathlib import Path
from threading import Thread

from PIL import Image

from tests.live_server import run_server
from tests.pictures import encode, jpeg


def test_stuck_worker_is_replaced(tiny_folder: Path, tmp_path: Path) -> None:
    """Readiness fails within seconds, a new worker comes, and the other one serves throughout."""
    white = encode(Image.new("RGB", (80, 80), "white"), "PNG")
    with run_server(
        tmp_path, module="tests.faults.stuck_server", model=str(tiny_folder), workers="2"
    ) as server:
        before = set(server.worker_pids())
        victim = Thread(target=_ignore_errors, args=(lambda: server.upload(white),))
        victim.start()
        began_s = time.monotonic()
        not_ready_s = None
        while before <= set(server.worker_pids()):
            assert time.monotonic() - began_s < 30, "the stuck worker is still there"
            if not_ready_s is None and server.get("/readyz").status == 503:
                not_ready_s = time.monotonic() - began_s
            assert server.upload(jpeg()).status == 200
            time.sleep(0.05)
        victim.join()
        assert not_ready_s is not None
        assert not_ready_s < 6
        assert server.events("worker_stuck")
        server.wait_for_health("healthy")


def _ignore_errors(call) -> None:
    try:
        call()
    except OSError:
        return
