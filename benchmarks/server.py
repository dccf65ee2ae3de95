"""Start `topfive serve` on a free port, learn its address from its log, and stop it again."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from process_tree import read_tree
from uploads import Address, ask, parse_local_url

START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 45.0
POLL_S = 0.005
LOG_TAIL_LINES = 20
Found = TypeVar("Found")


class ServerFailedError(RuntimeError):
    """The server ended or stayed silent; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """How to start the server: the console script, its settings and where it may write."""

    script: Path
    settings: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started here."""

    process: subprocess.Popen[bytes]
    log: Path
    started_at_s: float
    address: Address

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{self.address.host}:{self.address.port}"

    def wait_until(self, holds: Callable[[Address], bool]) -> float:
        """Ask until a condition holds; return the seconds since the process was started."""
        _poll(self.process, self.log, lambda: holds(self.address) or None)
        return time.perf_counter() - self.started_at_s


def is_ready(address: Address) -> bool:
    """Say whether the server can classify."""
    try:
        return ask(address, "/readyz")[0] == 200
    except OSError:
        return False


@contextmanager
def serving(plan: ServerPlan) -> Iterator[Server]:
    """Run a server during a block; it is stopped by its own process id whatever happens.

    Raises ServerFailedError if it does not start, or ended before the block did.
    """
    log = plan.folder / "server.log"
    started_at_s = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [plan.script, "serve"],
            # Elsewhere than in the repository, so that no .env is read.
            cwd=plan.folder,
            env=_environment(plan.settings),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        address = _poll(process, log, lambda: _find_address(log))
        yield Server(process, log, started_at_s, address)
        if process.poll() is not None:
            # Figures of a server that was no longer there would look like its failures.
            raise ServerFailedError(f"the server ended while it was measured:\n{_tail(log)}")
    finally:
        _stop(process)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Keep the caller's environment, without what would set the server up differently."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("TOPFIVE_") and key not in ("PORT", "WEB_CONCURRENCY")
    }
    return kept | dict(settings)


def _poll(process: subprocess.Popen[bytes], log: Path, look: Callable[[], Found | None]) -> Found:
    """Look until there is something; give up when the server ends or takes too long."""
    ends_at_s = time.perf_counter() + START_TIMEOUT_S
    while (found := look()) is None:
        if process.poll() is not None:
            raise ServerFailedError(f"the server ended with {process.returncode}:\n{_tail(log)}")
        if time.perf_counter() > ends_at_s:
            raise ServerFailedError(f"no answer in {START_TIMEOUT_S:.0f} s:\n{_tail(log)}")
        time.sleep(POLL_S)
    return found


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _find_address(log: Path) -> Address | None:
    """Find the line of the log that says where the server listens."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(json.JSONDecodeError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("event") == "listening":
                return parse_local_url(str(entry["url"]))
    return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the server to stop; end what is left of it by its ids when it does not."""
    with suppress(ProcessLookupError):
        tree = list(read_tree(process.pid))
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            for pid in tree:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    process.wait()
