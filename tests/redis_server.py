"""A real Redis on a free port of this machine, for the tests that need one."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_WITHIN_S = 10


def free_port() -> int:
    """Find a port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def run_redis(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run Redis or Valkey, which keeps nothing on disk, until the block ends."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("neither redis-server nor valkey-server is installed")
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)  # a stopped one would not end
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + _START_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end_s, "Redis did not start"
            time.sleep(0.05)
        else:
            return
