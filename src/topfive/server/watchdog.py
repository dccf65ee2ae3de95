"""Ends a worker in which a prediction is stuck, so that the arbiter starts another."""

import os
import time
from collections.abc import Callable
from threading import Thread

from topfive.telemetry.logs import get_logger

STUCK_AFTER_S = 15.0
STUCK_EXIT_CODE = 70
_LOOK_EVERY_S = 1.0


def watch_for_stuck_work(oldest_run_s: Callable[[], float]) -> None:
    """Look every second, in a thread of its own, whether work has been going on for too long."""
    Thread(target=_watch, args=(oldest_run_s,), name="topfive-watchdog", daemon=True).start()


def _watch(oldest_run_s: Callable[[], float]) -> None:
    while oldest_run_s() < STUCK_AFTER_S:
        time.sleep(_LOOK_EVERY_S)
    get_logger().critical("worker_stuck", oldest_run_s=round(oldest_run_s(), 1))
    # A thread that is stuck inside a library cannot be stopped; only the whole process can.
    os._exit(STUCK_EXIT_CODE)
