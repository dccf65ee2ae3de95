"""A picture that ends the process of whoever classifies it."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bulk.command import TIMEOUT_S, TOPFIVE, environment, read_rows, run_bulk
from tests.bulk.faults import KILLS, write_faults
from tests.bulk.listening import descendants, listening_addresses
from tests.bulk.samples import fill_with_samples


def test_it_is_found_and_left_out(tmp_path: Path) -> None:
    """All others are classified, each once, and the run ends well."""
    pictures = fill_with_samples(tmp_path / "pictures", 12)
    bad = pictures / "005.png"
    bad.write_bytes(bad.read_bytes() + KILLS)
    faults = write_faults(tmp_path)
    few = ["--shard-pictures", "4", "--actors", "1"]
    done = run_bulk(pictures, "--out", tmp_path / "results", *few, **faults)
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "results")
    assert [row["index"] for row in rows] == list(range(12))
    errors = {row["index"]: row["error"] for row in rows if row["error"]}
    assert errors == {5: "internal_error"}
    assert "internal_error" in done.stdout


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Make a folder whose path is short enough for sockets below it."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as folder:
        yield Path(folder)


def test_an_interrupted_run_leaves_no_process_and_no_folder(
    tmp_path: Path, temporary: Path
) -> None:
    """While it runs, Ray listens on this machine alone. SIGTERM ends all of it; what is finished is
    kept, and gone on with.
    """
    pictures = fill_with_samples(tmp_path / "pictures", 300)
    results = tmp_path / "results"
    slow = write_faults(tmp_path, seconds=0.02) | {"TMPDIR": str(temporary)}
    arguments = [pictures, "--out", results, "--shard-pictures", "10"]
    run = subprocess.Popen(
        [TOPFIVE, "bulk", *map(str, arguments)],
        env=environment(**slow),
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_parts(results, run)
    assert list(temporary.iterdir())
    assert listening_addresses({run.pid} | descendants(run.pid)) == {"127.0.0.1"}
    run.send_signal(signal.SIGTERM)
    _, told = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 1
    assert "interrupted" in told
    assert "--resume" in told
    assert not list(temporary.iterdir())
    assert not _processes_with(str(temporary))
    again = run_bulk(*arguments, "--resume", **slow)
    assert again.returncode == 0, again.stderr
    assert [row["index"] for row in read_rows(results)] == list(range(300))


def _wait_for_parts(results: Path, run: subprocess.Popen[str]) -> None:
    give_up_s = time.monotonic() + TIMEOUT_S
    while len(list(results.glob("part-*"))) < 3:
        assert run.poll() is None
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


def _processes_with(word: str) -> list[str]:
    """List the processes that have a word on their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            found += [folder.name] if word.encode() in line else []
    return found
