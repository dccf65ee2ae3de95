"""Start a server, as a rule `topfive serve` on a free port, wait for its answers, and stop it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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
    """Run topfive during a block; its address is read from its log.

    Raises ServerFailedError if it does not start, or ended before the block did.
    """
    # Elsewhere than in the repository, so that no .env is read.
    with running([plan.script, "serve"], plan.settings, plan.folder, _find_address) as server:
        yield server


@contextmanager
def running(
    command: Sequence[str | Path],
    settings: Mapping[str, str],
    folder: Path,
    find_address: Callable[[Path], Address | None],
    *,
    stop_signal: int = signal.SIGTERM,
) -> Iterator[Server]:
    """Run any server during a block, in `folder`, where its log lies too.

    `find_address` is asked with the log until it knows the address. The server is stopped by its
    own process ids whatever happens. Raises ServerFailedError as `serving` does.
    """
    log = folder / "server.log"
    started_at_s = time.perf_counter()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            # A group of its own, by which whatever outlives its parent is found.
            process_group=0,
        )
    try:
        address = _poll(process, log, lambda: find_address(log))
        yield Server(process, log, started_at_s, address)
        if process.poll() is not None:
            # Figures of a server that was no longer there would look like its failures.
            raise ServerFailedError(f"the server ended while it was measured:\n{_tail(log)}")
    finally:
        _stop(process, stop_signal)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
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


def _stop(process: subprocess.Popen[bytes], stop_signal: int) -> None:
    """Ask the server to stop; end what is left of it by its group when it does not."""
    process.send_signal(stop_signal)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
