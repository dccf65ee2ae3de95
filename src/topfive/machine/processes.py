"""Which processes run: told by their id and when they started, since ids are used again."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process: its id, and its start in clock ticks since the machine's own."""

    pid: int
    started_ticks: int

    def __str__(self) -> str:
        return f"{self.pid}-{self.started_ticks}"

    @property
    def order(self) -> tuple[int, int]:
        """What sorts processes by age, the oldest first."""
        return self.started_ticks, self.pid


def this_process() -> ProcessId:
    """Tell which process this is."""
    return ProcessId(os.getpid(), _started_ticks(os.getpid()) or 0)


def is_running(process: ProcessId) -> bool:
    """Tell whether a process still runs; one that has ended but was not waited for does not."""
    return _started_ticks(process.pid) == process.started_ticks


def _started_ticks(pid: int) -> int | None:
    """Read when a process started; None where it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name, in brackets, may hold anything. proc(5): the state is field 3, the start field 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
