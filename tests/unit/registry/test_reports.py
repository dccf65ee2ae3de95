"""Workers know of each other by small files, and those of a process that has ended do not count."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tests.redis_server import free_port, run_redis
from topfive.errors import StateUnavailable
from topfive.machine.processes import ProcessId, this_process
from topfive.predictions import ModelRef
from topfive.registry.machine_reports import MachineReports
from topfive.registry.reports import ModelReport, OwnReports, ReportFolder, WorkerReport
from topfive.registry.state_stores import open_state_redis

TWO = ModelRef("flowers", "2")
FULL = WorkerReport(
    this_process(),
    reached=4,
    loading=TWO,
    seen=5,
    refused={5: "It is damaged."},
    missing=frozenset({TWO}),
    evicted=frozenset({ModelRef("birds", "1")}),
    models=(ModelReport(TWO, "ready", None, 1024, "openvino", "f32"),),
)
GONE = replace(FULL, process=ProcessId(this_process().pid, 1))


def test_a_report_is_read_as_it_was_written(tmp_path):
    """A later one takes its place."""
    ReportFolder(tmp_path).write(replace(FULL, reached=3))
    ReportFolder(tmp_path).write(FULL)
    assert ReportFolder(tmp_path).live() == [FULL]


def test_a_report_of_an_ended_process_does_not_count(tmp_path):
    """Not even where another process has its id by now."""
    folder = ReportFolder(tmp_path)
    folder.write(GONE)
    folder.write(FULL)
    assert folder.live() == [FULL]
    assert folder.ended() == [GONE]
    folder.withdraw(GONE.process)
    assert folder.ended() == []


def test_a_report_of_a_killed_worker_does_not_count(tmp_path):
    """Also before anyone has waited for the process."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started_ticks = this_process_of(child.pid)
    folder = ReportFolder(tmp_path)
    folder.write(replace(FULL, process=ProcessId(child.pid, started_ticks)))
    assert len(folder.live()) == 1
    child.kill()
    with child:
        while folder.live():
            pass
    assert len(folder.ended()) == 1


def test_what_is_no_report_is_left_out(tmp_path):
    """A damaged file does not stop the others from being read."""
    folder = ReportFolder(tmp_path)
    folder.write(FULL)
    (tmp_path / "worker-1-1.json").write_bytes(b"{}")
    folder.write(replace(GONE, models=(ModelReport(TWO, "of a later release"),)))
    assert folder.live() == [FULL]
    assert folder.ended() == []


def test_older_workers_come_first(tmp_path):
    """So that their numbers stay the same while they run."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        younger = replace(FULL, process=ProcessId(child.pid, this_process_of(child.pid)))
        for report in (younger, FULL):
            ReportFolder(tmp_path).write(report)
        assert ReportFolder(tmp_path).live() == [FULL, younger]
        child.communicate()


def test_one_worker_alone_reads_its_own():
    """There is nobody else, and nobody who has ended."""
    reports = OwnReports()
    reports.write(FULL)
    assert list(reports.live()) == [FULL]
    assert list(reports.ended()) == []
    reports.withdraw(FULL.process)
    assert list(reports.live()) == []


@pytest.fixture
def redis(tmp_path):
    """A client of a Redis that runs for one test."""
    port = free_port()
    with run_redis(tmp_path, port):
        client = open_state_redis(f"redis://127.0.0.1:{port}")
        yield client
        client.close()


def test_machines_see_each_others_workers(redis):
    """Each its own as they are, the others with the name of their machine."""
    here = MachineReports(OwnReports(), redis, "topfive:worker:", "here")
    there = MachineReports(OwnReports(), redis, "topfive:worker:", "there")
    here.write(FULL)
    there.write(GONE)
    assert here.live() == [FULL, GONE.on("there")]
    assert there.live() == [GONE, FULL.on("here")]
    there.withdraw(GONE.process)
    assert here.live() == [FULL]
    assert here.ended() == ()


def test_a_machine_that_is_lost_is_forgotten(redis):
    """Its reports are kept for seconds only, and written again while it is there."""
    here = MachineReports(OwnReports(), redis, "topfive:worker:", "here")
    here.write(FULL)
    (key,) = redis.keys("topfive:worker:*")
    assert here.refresh_s * 1000 < redis.pttl(key) <= 5000


def test_reports_that_cannot_be_had_are_told():
    """A worker that cannot know of the others commits nothing."""
    client = open_state_redis(f"redis://127.0.0.1:{free_port()}")
    here = MachineReports(OwnReports(), client, "topfive:worker:", "here")
    with pytest.raises(StateUnavailable):
        here.live()


def this_process_of(pid):
    """Read when a process started, as the kernel counts."""
    from topfive.machine import processes

    return processes._started_ticks(pid)
