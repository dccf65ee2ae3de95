"""Metrics kept in memory, and files of workers that have ended."""

from pathlib import Path

import pytest

from topfive.errors import OperatorError
from topfive.telemetry.metric_files import note_asked_to_end, prepare_files, retire_worker_files
from topfive.telemetry.traces import parse_traceparent


def write_counter(path: Path, value: float) -> None:
    """Write a worker's file with one counter."""
    from prometheus_client.mmap_dict import MmapedDict, mmap_key

    values = MmapedDict(str(path))
    values.write_value(mmap_key("hits", "hits_total", [], [], "Hits."), value, 1.0)
    values.close()


def read_counters(path: Path) -> dict[str, float]:
    """Read a file's values by name."""
    from prometheus_client.mmap_dict import MmapedDict

    found = MmapedDict.read_all_values_from_file(str(path))
    return {key.split('"')[3]: value for key, value, _, _ in found}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for metrics."""
    import prometheus_client  # noqa: F401 - now, so that other tests keep values in memory

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    prepare_files(tmp_path / "metrics")
    return tmp_path / "metrics"


def test_what_ended_workers_counted_is_added_up(folder):
    """Files of workers that came and went become one, however many there were."""
    for pid in range(100, 140):
        write_counter(folder / f"counter_{pid}.db", 2)
        (folder / f"gauge_livesum_{pid}.db").touch()
        note_asked_to_end(folder, pid)
        retire_worker_files(folder, pid)
    assert sorted(path.name for path in folder.iterdir()) == ["counter_0.db", "lock"]
    assert read_counters(folder / "counter_0.db")["hits_total"] == 80


def test_only_workers_that_ended_unasked_are_restarts(folder):
    """Of one that was told to end and one that was not, one is counted."""
    assert read_counters(folder / "counter_0.db")["topfive_worker_restarts_total"] == 0
    note_asked_to_end(folder, 100)
    retire_worker_files(folder, 100)
    retire_worker_files(folder, 101)
    assert read_counters(folder / "counter_0.db")["topfive_worker_restarts_total"] == 1


def test_a_start_begins_at_zero(folder):
    """Files of an earlier run are not taken over."""
    write_counter(folder / "counter_100.db", 2)
    prepare_files(folder)
    assert set(read_counters(folder / "counter_0.db")) == {"topfive_worker_restarts_total"}
    assert not (folder / "counter_100.db").exists()


def test_a_folder_that_cannot_be_made_is_an_operators_error(tmp_path, monkeypatch):
    """The message names the folder and the setting."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="TOPFIVE_METRICS_DIR"):
        prepare_files(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "header",
    ["", "00", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-" + "a" * 32 + "-" + "0" * 16 + "-01",
     "01-" + "a" * 32 + "-b7ad6b7169203331-01", "00-" + "A" * 32 + "-b7ad6b7169203331-01",
     "00-" + "a" * 32 + "-b7ad6b7169203331-01\n{}"],
)  # fmt: skip
def test_broken_traceparents_are_left_alone(header):
    """What is not a trace context of version 00 names no caller."""
    assert parse_traceparent(header) is None
