"""Reading what this process may use, from control groups made of plain files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from topfive.machine import probe
from topfive.machine.probe import Machine, probe_machine


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Empty trees in the place of the machine's own control groups."""
    trees = {"_CGROUP_V2": "v2", "_CGROUP_V1_CPU": "cpu", "_CGROUP_V1_MEMORY": "memory"}
    for name, folder in trees.items():
        monkeypatch.setattr(probe, name, tmp_path / folder)
        (tmp_path / folder).mkdir()
    return tmp_path


@pytest.fixture
def nested(groups, monkeypatch):
    """A process that lies three groups deep; returns the groups from its own upwards."""
    read = probe._read
    own = "9:cpu:/elsewhere\n0::/pod/container/worker\n"
    monkeypatch.setattr(
        probe, "_read", lambda path: own if path == Path("/proc/self/cgroup") else read(path)
    )
    folder = groups / "v2" / "pod" / "container" / "worker"
    folder.mkdir(parents=True)
    return [folder, folder.parent, folder.parent.parent, groups / "v2"]


def _machine(**changes: object) -> Machine:
    values: dict = {
        "affinity_cpus": 8,
        "cpu_quota": None,
        "memory_bytes": 8 << 30,
        "memory_limit_bytes": None,
        "cpu_model": "a CPU",
        "cpu_flags": frozenset(),
    }
    return Machine(**(values | changes))


def test_without_control_groups_there_is_no_limit(groups):
    """A machine without control groups has no quota and no memory limit."""
    found = probe_machine()
    assert (found.cpu_quota, found.memory_limit_bytes) == (None, None)
    assert found.cpus == found.affinity_cpus
    assert found.usable_memory_bytes == found.memory_bytes


@pytest.mark.parametrize(
    ("text", "quota"),
    [("150000 100000\n", 1.5), ("50000 100000", 0.5), ("max 100000\n", None), ("", None)],
)
def test_a_quota_of_version_2_is_read(groups, text, quota):
    """The quota is a share of a period, and `max` is none."""
    (groups / "v2" / "cpu.max").write_text(text, "utf-8")
    assert probe_machine().cpu_quota == quota


@pytest.mark.parametrize(
    ("text", "limit"), [("536870912\n", 512 << 20), ("max\n", None), ("?", None)]
)
def test_a_memory_limit_of_version_2_is_read(groups, text, limit):
    """The limit is in bytes, and `max` is none."""
    (groups / "v2" / "memory.max").write_text(text, "utf-8")
    assert probe_machine().memory_limit_bytes == limit


def test_the_tightest_group_counts(nested):
    """Limits above the process's own group bind it too, wherever the tightest one is."""
    own, container, pod, root = nested
    (own / "cpu.max").write_text("max 100000", "utf-8")
    (container / "cpu.max").write_text("300000 100000", "utf-8")
    (pod / "cpu.max").write_text("200000 100000", "utf-8")
    (root / "memory.max").write_text("4294967296", "utf-8")
    (own / "memory.max").write_text("1073741824", "utf-8")
    found = probe_machine()
    assert found.cpu_quota == 2
    assert found.memory_limit_bytes == 1 << 30


def test_groups_beside_the_own_one_do_not_count(nested):
    """A sibling's limits are its own."""
    sibling = nested[1] / "sibling"
    sibling.mkdir()
    (sibling / "cpu.max").write_text("1000 100000", "utf-8")
    assert probe_machine().cpu_quota is None


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [("250000", "100000", 2.5), ("-1", "100000", None), ("250000", None, None), ("x", "y", None)],
)
def test_a_quota_of_version_1_is_read(groups, quota, period, expected):
    """Version 1 writes the quota in two files, and none as -1."""
    (groups / "cpu" / "cpu.cfs_quota_us").write_text(quota, "utf-8")
    if period:
        (groups / "cpu" / "cpu.cfs_period_us").write_text(period, "utf-8")
    assert probe_machine().cpu_quota == expected


@pytest.mark.parametrize(
    ("text", "limit"), [("268435456\n", 256 << 20), (str((1 << 63) - 4096), None)]
)
def test_a_memory_limit_of_version_1_is_read(groups, text, limit):
    """Version 1 writes no limit as an enormous number."""
    (groups / "memory" / "memory.limit_in_bytes").write_text(text, "utf-8")
    assert probe_machine().memory_limit_bytes == limit


def test_the_affinity_mask_counts():
    """A process bound to one CPU knows that it has one."""
    one = sorted(os.sched_getaffinity(0))[0]
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}})\n"
        "from topfive.machine.probe import probe_machine\n"
        "print(probe_machine().affinity_cpus)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "1\n"


def test_without_affinity_all_cpus_count(monkeypatch):
    """Where the system has no affinity masks, every CPU may be used."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert probe_machine().affinity_cpus == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert probe_machine().affinity_cpus == 1


X86 = "processor : 0\nmodel name\t: Some CPU @ 3 GHz\nflags\t\t: fpu avx2 avx512_bf16\n"
ARM = "processor : 0\nFeatures\t: fp asimd bf16 i8mm\n"


@pytest.mark.parametrize(
    ("cpuinfo", "flag", "model"),
    [(X86, "avx512_bf16", "Some CPU @ 3 GHz"), (ARM, "bf16", None), ("", None, None)],
)
def test_instruction_sets_are_read(monkeypatch, cpuinfo, flag, model):
    """x86 and Arm name their instruction sets differently; a model without a name has its kind."""
    monkeypatch.setattr(
        probe, "_read", lambda path: cpuinfo if path == Path("/proc/cpuinfo") else ""
    )
    found = probe_machine()
    assert found.cpu_flags >= ({flag} if flag else set())
    assert bool(found.cpu_flags) == bool(flag)
    assert found.cpu_model == (model or probe.platform.machine())


def test_the_smaller_of_quota_and_affinity_counts():
    """What a process may keep busy is bound by both."""
    assert _machine(cpu_quota=2.5).cpus == 2.5
    assert _machine(cpu_quota=100.0).cpus == 8
    assert _machine().cpus == 8


def test_the_smaller_of_memory_and_limit_counts():
    """A limit larger than the machine is no gain."""
    assert _machine(memory_limit_bytes=1 << 30).usable_memory_bytes == 1 << 30
    assert _machine(memory_limit_bytes=1 << 40).usable_memory_bytes == 8 << 30
