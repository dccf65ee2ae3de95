"""`topfive bulk` while it runs: waited for, killed, or any of its processes killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bulk.command import TIMEOUT_S, TOPFIVE, environment

LOOK_EVERY_S = 0.02
# How processes are called that a run has here, by the beginnings or ends of their titles.
ACTOR = "ray::MapWorker(MapBatches(ShardScorer))"
RAYLET = "raylet/raylet"
STATE = "gcs/gcs_server"


class StartedBulk:
    """A run that goes on beside the test, with Ray and all else in a session of its own."""

    def __init__(self, *arguments: str | Path, log: Path, **changes: str) -> None:
        self.results = Path(arguments[arguments.index("--out") + 1])
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [TOPFIVE, "bulk", *map(str, arguments)],
                env=environment(**changes),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def told(self) -> str:
        """All that it has written, on standard output and standard error."""
        return self.log.read_text(errors="replace")

    def parts(self) -> dict[str, int]:
        """List the result files with their inodes: one that is written again has another."""
        return {one.name: one.stat().st_ino for one in self.results.glob("part-*")}

    def wait_for_parts(self, count: int) -> None:
        """Wait until so many result files are there."""
        self.wait_until(lambda: len(self.parts()) >= count)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait for something that happens while it runs."""
        give_up_s = time.monotonic() + TIMEOUT_S
        while not holds():
            assert self.process.poll() is None, self.told
            assert time.monotonic() < give_up_s, self.told
            time.sleep(LOOK_EVERY_S)

    def pids(self, title: str = "") -> list[int]:
        """Find its processes, the oldest first, or those that have this in their titles."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _session(folder) == self.process.pid:
                shown = _read(folder / "cmdline").replace("\0", " ")
                if shown and title in shown:
                    found.append(int(folder.name))
        return sorted(found)

    def kill(self, title: str = "") -> int:
        """Kill all its processes, or those with this in their titles; tells how many."""
        pids = self.pids(title)
        for pid in pids:
            self.kill_pid(pid)
        return len(pids)

    def kill_pid(self, pid: int) -> None:
        """Kill one of its processes, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Have its actors do nothing while the block runs, however long that takes."""
        actors = self.pids(ACTOR)
        for pid in actors:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in actors:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def kill_driver(self) -> None:
        """Kill the process that was started, and nothing of Ray."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self.process.wait()
        give_up_s = time.monotonic() + TIMEOUT_S
        while self.pids() and time.monotonic() < give_up_s:
            self.kill()
            time.sleep(LOOK_EVERY_S)


def _session(folder: Path) -> int:
    """Tell a process's session; 0 of one that has ended."""
    fields = _read(folder / "stat").rpartition(") ")[2].split()
    return int(fields[3]) if fields else 0


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
