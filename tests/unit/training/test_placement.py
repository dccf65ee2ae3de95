"""Bundles are put in place whole, and what a killed process left goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from topfive.bundles.disk import explain_unwritable
from topfive.training.placement import write_beside

_KILLED = """
import os, signal, sys
from pathlib import Path
from topfive.training.placement import write_beside

with write_beside(Path(sys.argv[1])) as folder:
    (folder / "graph.bin").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_what_a_killed_process_left_goes_with_the_next(tmp_path):
    """Its half bundle takes no space for ever, and is never taken for a bundle."""
    target = tmp_path / "birds" / "1.0.0"
    subprocess.run([sys.executable, "-c", _KILLED, str(target)], check=False)
    assert [one.startswith(".making-") for one in _names(target.parent)] == [True]
    with write_beside(target) as folder:
        (folder / "bundle.json").write_text("{}")
    assert _names(target.parent) == ["1.0.0"]


def test_what_another_process_is_making_stays(tmp_path):
    """Two versions of a model may be made at the same time."""
    model = tmp_path / "birds"
    with write_beside(model / "1.0.0") as first:
        with write_beside(model / "1.1.0") as second:
            assert first.is_dir()
            assert second.is_dir()
        (first / "bundle.json").write_text("{}")
    assert _names(model) == ["1.0.0", "1.1.0"]


def test_nothing_is_left_where_something_went_wrong(tmp_path):
    """Neither the folder beside nor the target is there."""
    target = tmp_path / "birds" / "1.0.0"
    with pytest.raises(KeyboardInterrupt), write_beside(target):
        raise KeyboardInterrupt
    assert _names(target.parent) == []


def test_what_is_replaced_leaves_nothing(tmp_path):
    """The new bundle is in the place of the old one."""
    target = tmp_path / "birds" / "1.0.0"
    for content in ("old", "new"):
        with write_beside(target, replaces=True) as folder:
            (folder / "bundle.json").write_text(content)
    assert (target / "bundle.json").read_text() == "new"
    assert _names(target.parent) == ["1.0.0"]


_STOPPED = """
import os, signal, sys
from pathlib import Path
from topfive import __main__, cli
from topfive.training.placement import write_beside

def make():
    with write_beside(Path(sys.argv[1])) as folder:
        (folder / "graph.bin").write_bytes(bytes(1000))
        os.kill(os.getpid(), signal.Signals[sys.argv[2]])
        signal.pause()

cli.main = make
__main__.main()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_command_that_is_stopped_leaves_nothing(tmp_path, name):
    """A supervisor's SIGTERM is like Ctrl-C: one plain word, exit code 1, no half bundle."""
    target = tmp_path / "birds" / "1.0.0"
    stopped = subprocess.run(
        [sys.executable, "-c", _STOPPED, str(target), name],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (stopped.returncode, stopped.stderr) == (1, "Aborted!\n")
    assert _names(target.parent) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    """What a folder cannot be made of is told, and not that something exists."""
    (tmp_path / "birds").write_text("")
    with pytest.raises(FileExistsError) as caught, write_beside(tmp_path / "birds" / "1.0.0"):
        pass
    assert f"{tmp_path / 'birds'} is no folder" in str(explain_unwritable(tmp_path, caught.value))
