"""`topfive bulk verify`: whether every picture is there once, in words and exit codes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.bulk.results.made import make_plan, results_in, write_shard
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.run import open_run
from topfive.cli import main

Typed = tuple[int, str, str]


@pytest.fixture
def verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Typed]:
    """Type the command; gives its exit code and what it printed."""

    def run(place: str) -> Typed:
        monkeypatch.setattr(sys, "argv", ["topfive", "bulk", "verify", place])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def make_run(path: Path) -> ResultsFolder:
    """Make a run of ten pictures, two shards of which are written."""
    folder = results_in(path)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(10, 3, "ef" * 32)
        for shard in range(2):
            run.note(write_shard(run, shard).outcome)
        run.flush()
    return folder


def test_a_whole_run_is_told_with_exit_code_0(tmp_path: Path, verify: Callable[..., Typed]) -> None:
    """How many pictures, and in how many files."""
    folder = make_run(tmp_path)
    with open_run(folder, make_plan(), resume=True) as run:
        run.note(write_shard(run, 2, 2).outcome)
        run.finish()
    assert verify(folder.shown) == (0, "10 pictures, each of them once, in 3 files.\n", "")


def test_what_is_wrong_is_told_with_exit_code_1(
    tmp_path: Path, verify: Callable[..., Typed]
) -> None:
    """Each shard and file by itself, names with line breaks escaped, then how many there are."""
    folder = make_run(tmp_path)
    folder.write("part-000001.parquet", b"half")
    folder.write("a\nb.txt", b"mine")
    code, said, told = verify(folder.shown)
    assert (code, said) == (1, "")
    assert told.splitlines() == [
        "Shard 2 has no file.",
        "part-000001.parquet: it is damaged, or not a file of this kind.",
        "a\\nb.txt is not of this run.",
        "4 of 10 pictures are there. Shards without a file: 1; wrong files: 1; other files: 1.",
        "Delete wrong files; the same `topfive bulk` with --resume writes what is missing.",
    ]


def test_a_folder_without_a_run_is_a_mistake(tmp_path: Path, verify: Callable[..., Typed]) -> None:
    """It is said that there is none, with exit code 2."""
    code, _, told = verify(str(tmp_path / "nothing"))
    assert code == 2
    assert "nothing holds no run of `topfive bulk`." in " ".join(told.split())
    assert not (tmp_path / "nothing").exists()
