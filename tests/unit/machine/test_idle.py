"""Which share of the CPUs is idle."""

import pytest

from topfive.machine.idle import CpuTimes, IdleCpus, measure_idle_cpus, read_cpu_times


class _Machine:
    """Two CPUs whose counters a test moves on."""

    def __init__(self) -> None:
        self.now = CpuTimes(1000.0, 500.0, 100.0)
        self.waited_s = 0.0
        self.idle, self.used = 0.0, 0.0

    def read(self) -> CpuTimes:
        """Tell the counters."""
        return self.now

    def clock(self) -> float:
        """Tell the time in seconds."""
        return self.now.at_s

    def run(self, seconds: float) -> None:
        """Let time pass, in which so many CPUs are idle and used."""
        self.waited_s += seconds
        at_s, idle_s, used_s = self.now.at_s, self.now.idle_s, self.now.used_s
        self.now = CpuTimes(
            at_s + seconds, idle_s + self.idle * seconds, used_s + self.used * seconds
        )


@pytest.fixture
def machine():
    """A machine on which nothing is idle yet."""
    return _Machine()


def _idle(machine, quota=None):
    return IdleCpus(
        2.0 if quota is None else quota, quota, machine.read, machine.run, machine.clock
    )


def test_after_a_pause_it_is_measured_anew(machine):
    """What was idle long ago does not count: a tenth of a second is waited for."""
    idle = _idle(machine)
    machine.idle = 1.5
    assert idle.share() == pytest.approx(0.75)
    assert machine.waited_s == pytest.approx(0.1)
    machine.run(60)
    machine.idle = 0.0
    assert idle.share() == 0


def test_soon_after_nothing_is_waited_for(machine):
    """What has passed since the last time is measured, or the last share told again."""
    idle = _idle(machine)
    machine.idle = 2.0
    assert idle.share() == pytest.approx(1)
    machine.idle = 0.0
    machine.run(0.06)
    assert idle.share() == pytest.approx(1)
    machine.run(0.06)
    assert idle.share() == pytest.approx(0)
    assert machine.waited_s == pytest.approx(0.22)


def test_a_quota_counts_as_so_many_cpus(machine):
    """Of a quota of one CPU, what its cgroup uses is not idle, however idle the machine is."""
    machine.idle, machine.used = 2.0, 0.75
    assert _idle(machine, quota=1.0).share() == pytest.approx(0.25)


def test_what_the_asker_used_counts_as_idle(machine):
    """Its own work does not keep it from the next."""
    idle = _idle(machine)
    idle.share(own_s=5.0)
    machine.idle = 0.5
    machine.run(0.2)
    assert idle.share(own_s=5.1) == pytest.approx(0.5)


def test_the_real_counters_rise():
    """Linux tells both counters, and a share comes of them."""
    first, then = read_cpu_times(), read_cpu_times()
    assert then.at_s > first.at_s
    assert then.idle_s >= first.idle_s > 0
    assert 0 <= measure_idle_cpus().share() <= 1
