"""Reads what this process may use: CPUs, memory and instruction sets."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup")
_CGROUP_V1_CPU = Path("/sys/fs/cgroup/cpu")
_CGROUP_V1_MEMORY = Path("/sys/fs/cgroup/memory")
# cgroup v1 writes "no limit" as the largest multiple of a page in 63 bits.
_V1_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use; `cpu_quota` and `memory_limit_bytes` are None without a cgroup."""

    affinity_cpus: int
    cpu_quota: float | None
    memory_bytes: int
    memory_limit_bytes: int | None
    cpu_model: str
    cpu_flags: frozenset[str]

    @property
    def cpus(self) -> float:
        """The number of CPUs this process may keep busy; can be a fraction."""
        return min(self.affinity_cpus, self.cpu_quota or float(self.affinity_cpus))

    @property
    def usable_memory_bytes(self) -> int:
        """The memory this process and its children may use together."""
        return min(self.memory_bytes, self.memory_limit_bytes or self.memory_bytes)


def probe_machine() -> Machine:
    """Read the CPU quota, affinity, memory limit and instruction sets of this process."""
    cpuinfo = _read(Path("/proc/cpuinfo"))
    return Machine(
        affinity_cpus=_affinity_cpus(),
        cpu_quota=_cpu_quota(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_limit_bytes=_memory_limit_bytes(),
        cpu_model=_cpuinfo_value(cpuinfo, "model name") or platform.machine(),
        # x86 calls them flags, 64-bit Arm calls them Features.
        cpu_flags=frozenset(
            (_cpuinfo_value(cpuinfo, "flags") or _cpuinfo_value(cpuinfo, "Features")).split()
        ),
    )


def _affinity_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_quota() -> float | None:
    quotas = [_v2_cpu_quota(folder) for folder in own_cgroups()]
    quotas.append(_v1_cpu_quota())
    return min((quota for quota in quotas if quota is not None), default=None)


def _v2_cpu_quota(folder: Path) -> float | None:
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _v1_cpu_quota() -> float | None:
    quota_us = _read_int(_CGROUP_V1_CPU / "cpu.cfs_quota_us")
    period_us = _read_int(_CGROUP_V1_CPU / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _memory_limit_bytes() -> int | None:
    limits = [_read_int(folder / "memory.max") for folder in own_cgroups()]
    limits.append(_read_int(_CGROUP_V1_MEMORY / "memory.limit_in_bytes"))
    return min((n for n in limits if n is not None and n < _V1_NO_LIMIT_BYTES), default=None)


def own_cgroups() -> list[Path]:
    """List this process's cgroup and those above it: the tightest limit is the one that counts."""
    own = next(
        (line[3:] for line in _read(Path("/proc/self/cgroup")).splitlines() if line[:3] == "0::"),
        "/",
    )
    folder = _CGROUP_V2 / own.strip("/")
    above = [parent for parent in folder.parents if parent.is_relative_to(_CGROUP_V2)]
    return [folder, *above]


def _cpuinfo_value(cpuinfo: str, key: str) -> str:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


def _read_int(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def resident_bytes() -> int:
    """Tell how much memory this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def anonymous_bytes() -> int:
    """Tell how much memory this process holds that is no file's; 0 where the system does not say.

    Source: RssAnon in Linux's proc(5), which is exact to some tens of pages.
    """
    for line in _read(Path("/proc/self/status")).splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
