"""CPU time and memory of a process and its descendants, read from /proc."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MS_PER_TICK = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process at one moment; the CPU time includes that of its reaped children."""

    pid: int
    parent_pid: int
    name: str
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process used: CPU time during a run and memory at its end."""

    pid: int
    name: str
    is_worker: bool
    cpu_ms: float
    pss_mib: float
    rss_mib: float


def read_stat(pid: int) -> ProcessStat | None:
    """Read one process; None when it has ended."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in brackets and may itself hold spaces and brackets.
    name, _, rest = text.partition("(")[2].rpartition(") ")
    fields = rest.split()
    # utime, stime, cutime and cstime are fields 14 to 17 of the line, 11 to 14 after the name.
    ticks = sum(int(field) for field in fields[11:15])
    return ProcessStat(pid, int(fields[1]), name, ticks * MS_PER_TICK)


def read_tree(root_pid: int) -> dict[int, ProcessStat]:
    """Read a process and all its living descendants.

    A child that ends in between moves its CPU time to its parent's entry when it is reaped, so
    the sum over the tree misses nothing and counts nothing twice.
    """
    stats = [read_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit()]
    everyone = {stat.pid: stat for stat in stats if stat is not None}
    if root_pid not in everyone:
        raise ProcessLookupError(f"no process has the id {root_pid}")
    return {pid: stat for pid, stat in everyone.items() if _descends(pid, root_pid, everyone)}


def _descends(pid: int, root_pid: int, everyone: Mapping[int, ProcessStat]) -> bool:
    while pid in everyone and pid != root_pid:
        pid = everyone[pid].parent_pid
    return pid == root_pid


def list_children(parent_pid: int) -> list[int]:
    """List the living children of a process: a server's workers."""
    tree = read_tree(parent_pid).values()
    return sorted(stat.pid for stat in tree if stat.parent_pid == parent_pid)


def total_cpu_ms(tree: Mapping[int, ProcessStat]) -> float:
    """Add up the CPU time of a whole tree."""
    return sum(stat.cpu_ms for stat in tree.values())


def read_memory_mib(pid: int) -> tuple[float, float]:
    """Read PSS and RSS of one process; zeros when it has ended."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    kib = {key: int(value) for key, value in re.findall(r"^(Pss|Rss): +(\d+) kB$", text, re.M)}
    return kib.get("Pss", 0) / 1024, kib.get("Rss", 0) / 1024


def count_handles(pid: int) -> tuple[int, int]:
    """Count the threads and the open descriptors of one process; zeros when it has ended."""
    folder = PROC / str(pid)
    try:
        return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0


def compare_trees(
    before: Mapping[int, ProcessStat], after: Mapping[int, ProcessStat]
) -> list[ProcessUse]:
    """Say what each process that is still there used between two moments; workers are leaves."""
    parents = {stat.parent_pid for stat in after.values()}
    return [
        ProcessUse(
            stat.pid,
            stat.name,
            stat.pid not in parents,
            stat.cpu_ms - (before[stat.pid].cpu_ms if stat.pid in before else 0.0),
            *read_memory_mib(stat.pid),
        )
        for stat in sorted(after.values(), key=lambda stat: stat.pid)
    ]
