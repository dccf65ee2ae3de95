"""Counters of the rate limit are shared by processes and exact."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from topfive.ratelimit import counters as counting
from topfive.ratelimit.counters import SharedCounters

COUNT_UP = """
import sys
from topfive.ratelimit.counters import SharedCounters
counters = SharedCounters(sys.argv[1])
for _ in range(200):
    counters.incr("key", 60)
"""


def test_processes_count_together(tmp_path: Path) -> None:
    """No increment of any process is lost."""
    uri = f"lmdb://{tmp_path}"
    processes = [subprocess.Popen([sys.executable, "-c", COUNT_UP, uri]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert SharedCounters(uri).get("key") == 600


def test_window_ends_and_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its window a key counts from zero; the wall clock plays no part."""
    counters = SharedCounters(f"lmdb://{tmp_path}")
    assert [counters.incr("key", 60), counters.incr("key", 60)] == [1, 2]
    assert 58 < counters.get_expiry("key") - time.time() <= 60
    now_s = time.monotonic()
    monkeypatch.setattr(counting.time, "monotonic", lambda: now_s + 61)
    assert counters.get("key") == 0
    assert counters.incr("key", 60) == 1


def test_keys_can_be_forgotten(tmp_path: Path) -> None:
    """One key or all of them can be cleared."""
    counters = SharedCounters(f"lmdb://{tmp_path}")
    assert counters.check()
    for key in ("a", "b", "c"):
        counters.incr(key, 60)
    counters.clear("a")
    assert [counters.get(key) for key in ("a", "b")] == [0, 1]
    assert counters.reset() == 2
    assert counters.get("b") == 0
