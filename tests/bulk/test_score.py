"""A folder of pictures through `topfive bulk`, on a Ray of its own."""

import json
import os
from pathlib import Path

import pytest

from tests.bulk.command import read_rows, run_bulk
from tests.bulk.samples import fill_with_samples

PICTURES = 23


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of good pictures, one that is none, and one of zero bytes."""
    folder = fill_with_samples(tmp_path_factory.mktemp("pictures"), PICTURES - 2)
    (folder / "bad \U0001f600\n.png").write_bytes(b"this is no picture")
    Path(os.fsdecode(os.fsencode(folder) + b"/empty-\xff.jpg")).write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run once for all tests here."""
    results = tmp_path_factory.mktemp("results")
    done = run_bulk(folder, "--out", results, "--shard-pictures", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    (results / "told.json").write_text(done.stdout)
    return results


def test_each_picture_is_a_row_in_order(folder: Path, results: Path) -> None:
    """Nothing is lost or twice, and results are in the order of the names."""
    rows = read_rows(results)
    assert [row["index"] for row in rows] == list(range(PICTURES))
    assert len({row["path"] for row in rows}) == PICTURES


def test_a_bad_picture_is_a_row_with_its_code(results: Path) -> None:
    """It stops nothing, whatever it is called."""
    bad = {row["path"].rpartition("/")[2]: row["error"] for row in read_rows(results)}
    assert bad["bad \U0001f600\n.png"] == "unsupported_format"
    assert bad["empty-\\xff.jpg"] == "empty_file"
    assert sum(1 for error in bad.values() if error) == 2


def test_the_summary_counts_what_was_done(results: Path) -> None:
    """`--json` gives one object on standard output, and nothing beside it."""
    told = json.loads((results / "told.json").read_text())
    assert told["totals"]["pictures"] == told["done_now"] == PICTURES
    assert told["totals"]["errors"] == {"empty_file": 1, "unsupported_format": 1}
    assert told["model"]["name"] == "digits"


def test_a_finished_run_has_nothing_left_to_do(folder: Path, results: Path) -> None:
    """`--resume` says so and ends well; without it the folder is refused."""
    again = run_bulk(folder, "--out", results, "--shard-pictures", "5", "--resume")
    assert again.returncode == 0
    assert "finished already" in again.stderr
    refused = run_bulk(folder, "--out", results, "--shard-pictures", "5")
    assert refused.returncode == 2
    assert "which is finished" in refused.stderr


def test_pictures_that_came_after_the_end_are_told(folder: Path, results: Path) -> None:
    """Nobody hears that nothing is left to do while there are new pictures."""
    new = folder / "zzz.png"
    new.write_bytes(b"new")
    try:
        again = run_bulk(folder, "--out", results, "--shard-pictures", "5", "--resume")
    finally:
        new.unlink()
    assert again.returncode == 2
    assert "1 added" in again.stderr


def test_a_report_tells_what_came_of_the_run(results: Path, tmp_path: Path) -> None:
    """`topfive bulk report` counts what the run has written."""
    report = tmp_path / "report.html"
    done = run_bulk("report", results, "--out", report)
    assert (done.returncode, done.stdout) == (0, f"Report of {PICTURES} pictures: {report}\n")
    assert done.stderr == ""
    text = report.read_text("utf-8")
    assert f"{PICTURES} pictures by digits@1" in text
    assert text.count("1 picture, 4.35%") == 2
    assert "bad \U0001f600\\n.png" in text


def test_names_that_the_shell_made_of_a_glob_are_told_as_such(tmp_path: Path) -> None:
    """Who leaves the quotes out is told of them, and not shown a thousand names."""
    done = run_bulk("a.jpg", "b.jpg", "c.jpg", "--out", tmp_path / "results")
    assert done.returncode == 2
    assert "here are 3: a.jpg, b.jpg and so on" in done.stderr
    assert "a glob in quotes" in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_wrong_address_leaves_no_run_behind(folder: Path, tmp_path: Path) -> None:
    """So that the command that was mended is no second run in the folder."""
    for address in ("nonsense", "127.0.0.1:1"):
        done = run_bulk(folder, "--out", tmp_path / "results", "--address", address)
        assert done.returncode == 2
        assert address in done.stderr
    assert not (tmp_path / "results").exists()
