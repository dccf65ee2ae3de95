"""Ray nodes as processes of their own, as `ray start` begins them, several on this machine."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

RAY = Path(sys.executable).parent / "ray"
START_TIMEOUT_S = 120


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Nodes:
    """A cluster: a head without CPUs, and nodes that work, each killed in one blow."""

    def __init__(self, folder: Path, faults: dict[str, str]) -> None:
        self.port = free_port()
        self.address = f"127.0.0.2:{self.port}"
        self._folder = folder
        self._faults = faults
        self._count = 0
        self._started: list[subprocess.Popen[bytes]] = []
        self._token = secrets.token_hex(32)

    @property
    def variables(self) -> dict[str, str]:
        """What processes need in their environment that use the cluster."""
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}

    def start_head(self, cpus: int = 0) -> None:
        """Start the node that the others come to."""
        self._start(
            "--head",
            "--include-dashboard=false",
            f"--port={self.port}",
            f"--temp-dir={self._folder}",
            cpus=cpus,
        )

    def add(self, cpus: int = 1) -> None:
        """Start a node that works."""
        self._start(f"--address={self.address}", cpus=cpus)

    def kill_last(self) -> None:
        """End all processes of the youngest node at once, as a loss of power does."""
        node = self._started[-1]
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self._started.pop()

    def close(self) -> None:
        """End all nodes."""
        while self._started:
            self.kill_last()

    def _start(self, *options: str, cpus: int) -> None:
        log = (self._folder / f"node-{len(self._started)}-{time.monotonic_ns()}.log").open("wb")
        self._count += 1
        # In the place of 127.0.0.1 Ray takes the machine's address in its network.
        address = f"--node-ip-address=127.0.0.{self._count + 1}"
        command = [RAY, "start", "--block", address, f"--num-cpus={cpus}", "--num-gpus=0",
                   "--object-store-memory=80000000", "--disable-usage-stats", *options]  # fmt: skip
        with log:
            node = subprocess.Popen(
                [*map(str, command)],
                env=os.environ | self.variables | self._faults,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(node)
        _wait_for(Path(log.name), node)


def _wait_for(log: Path, node: subprocess.Popen[bytes]) -> None:
    """Wait until a node says that it has started."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while b"Ray runtime started" not in log.read_bytes():
        told = log.read_text(errors="replace")
        assert node.poll() is None, told
        assert time.monotonic() < give_up_s, told
        time.sleep(0.1)
