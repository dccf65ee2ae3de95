"""How much of the CPUs that this process may use is idle at the moment."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from topfive.machine.probe import own_cgroups, probe_machine

# Linux counts in hundredths of a second: in less time there is little to see.
_SHORTEST_S = 0.1
# What was measured over more says little of this moment.
_LONGEST_S = 1.0


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds on counters that only rise: idle CPUs, and what this process's cgroup has used."""

    at_s: float
    idle_s: float
    used_s: float


class IdleCpus:
    """Measures which share of the CPUs (0 to 1) was idle; for one thread.

    A CPU quota counts as so many CPUs. Where the system does not say, nothing is idle.
    """

    def __init__(
        self,
        cpus: float,
        quota: float | None,
        read: Callable[[], CpuTimes],
        wait: Callable[[float], None] = sleep,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._cpus = cpus
        self._quota = quota
        self._read = read
        self._wait = wait
        self._clock = clock
        self._before = CpuTimes(float("-inf"), 0.0, 0.0)
        self._own_before_s = 0.0
        self._share = 0.0

    def share(self, own_s: float = 0.0) -> float:
        """Tell the share of the last moment; waits for a tenth of a second after a longer pause.

        `own_s` is for how many seconds in all the asker itself was at work: that counts as idle.
        """
        pause_s = self._clock() - self._before.at_s
        if pause_s < _SHORTEST_S:
            return self._share
        if pause_s > _LONGEST_S:
            self._begin(self._read(), own_s)
            self._wait(_SHORTEST_S)
        now = self._read()
        self._share = self._measure(now, own_s)
        self._begin(now, own_s)
        return self._share

    def _begin(self, now: CpuTimes, own_s: float) -> None:
        self._before, self._own_before_s = now, own_s

    def _measure(self, now: CpuTimes, own_s: float) -> float:
        before = self._before
        span_s = now.at_s - before.at_s
        idle = (now.idle_s - before.idle_s) / span_s
        if self._quota is not None:
            idle = min(idle, self._quota - (now.used_s - before.used_s) / span_s)
        own = (own_s - self._own_before_s) / span_s
        return max(0.0, min(1.0, (idle + own) / self._cpus))


def measure_idle_cpus() -> IdleCpus:
    """Begin to measure the CPUs that this process may use."""
    machine = probe_machine()
    return IdleCpus(machine.cpus, machine.cpu_quota, read_cpu_times)


def read_cpu_times() -> CpuTimes:
    """Read the counters of the CPUs that this process may use."""
    return CpuTimes(monotonic(), _idle_s(_read(Path("/proc/stat"))), _used_s())


def _idle_s(stat: str) -> float:
    """Add up what Linux's proc(5) calls idle and iowait, of the CPUs that may be used."""
    mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    rows = [line.split() for line in stat.splitlines()]
    ticks = sum(int(row[4]) + int(row[5]) for row in rows if len(row) > 5 and row[0] in mine)
    return ticks / os.sysconf("SC_CLK_TCK")


def _used_s() -> float:
    for line in _read(own_cgroups()[0] / "cpu.stat").splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace")
    except OSError:
        return ""
