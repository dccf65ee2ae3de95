"""`topfive bulk report`, on runs as they are left: what it tells, and what it refuses."""

import html
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.bulk.report.made_run import HOSTILE_CLASS, make_rows, make_run
from topfive.bulk.results.segments import encode_segment, read_outcomes
from topfive.cli import main

ROWS = make_rows(500)


class Typed(NamedTuple):
    """How the command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def bulk_report(tmp_path, monkeypatch, capsys):
    """Type `topfive bulk report` in an empty folder."""

    def run(*arguments: str) -> Typed:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["topfive", "bulk", "report", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Typed(int(ended.value.code or 0), *capsys.readouterr())

    return run


def words_of(path: Path) -> str:
    """Read what a person sees of a report, without its style."""
    text = path.read_text("utf-8")
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.parametrize("format", ["parquet", "ndjson", "csv"])
def test_a_report_tells_what_came_of_a_run(bulk_report, tmp_path, format):
    """Classes, errors, formats, nodes and the slowest pictures, whichever form the results have."""
    make_run(tmp_path / "results", ROWS, format)
    done = bulk_report("results")
    assert done == (0, "Report of 500 pictures: report.html\n", "")
    words = words_of(tmp_path / "report.html")
    classified = sum(bool(row.classes) for row in ROWS)
    assert words.count("500 pictures by tiny@1.0.0") == 2
    assert f"{classified} classified" in words
    assert f"{500 - classified} with an error" in words
    assert "is not finished" not in words
    for code in ("invalid_image", "unreadable_file", "unsupported_format"):
        count = sum(row.error == code for row in ROWS)
        assert f"{code} {count} pictures, {count / 5:.2f}%" in words
    zebras = sum(bool(row.classes) and row.classes[0].class_name == "zebra" for row in ROWS)
    assert f"zebra {zebras} {100 * zebras / classified:.2f}%" in words
    assert re.search(r"10\.0\.0\.2 5 250 50\.0% 2\.5 s 100 1\.0", words)
    assert "dotted lines mark them" in words
    assert f"as {format}" in words


def test_nothing_in_a_report_is_run_or_loaded(bulk_report, tmp_path):
    """Names of files and classes stay text, and the page asks for nothing from anywhere."""
    make_run(tmp_path / "results", ROWS)
    bulk_report("results", "--out", "made.html")
    text = (tmp_path / "made.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<b>\$|<link|<img|src=|url\((?!#)|https?://(?!www.w3.org)", text)
    assert html.escape(HOSTILE_CLASS, quote=False).replace("'", "&#39;") in text
    assert "photos/&lt;b&gt;" in text
    assert text.count("<svg") == 4
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["made.html"]


def test_names_cannot_hide_what_they_are(bulk_report, tmp_path):
    """Signs that turn or break a line are spelt out, and a long name keeps its end."""
    names = [replace(row, classes=(), image=None, error="invalid_image") for row in ROWS[1:6]]
    make_run(tmp_path / "results", names)
    bulk_report("results")
    words = words_of(tmp_path / "report.html")
    assert "photos/line\\nbreak.jpg" in words
    assert "photos/\\u202egpj.exe" in words
    assert "long.jpg" in words
    assert "long" * 60 not in words
    assert "photos/日本語-😀.jpg" in words
    assert r"photos/\xff\xfe.jpg" in words
    assert "No picture could be classified." in words


def test_an_unfinished_run_is_told_as_far_as_it_is(bulk_report, tmp_path):
    """The report says that it is not finished, why, how much is in it, and what to do."""
    make_run(tmp_path / "results", ROWS, finished=3)
    done = bulk_report("results")
    assert done.returncode == 0
    assert done.stdout == "Report of 150 pictures: report.html\n"
    assert done.stderr == "Note: the run is not finished, which the report says.\n"
    words = words_of(tmp_path / "report.html")
    assert "This run is not finished: 150 of 500 pictures are counted here." in words
    assert "It was stopped: No space left on device." in words
    assert "--resume" in words


def test_a_report_changes_nothing_of_the_run(bulk_report, tmp_path):
    """It may be made while the run is at work, by somebody who may only read."""
    make_run(tmp_path / "results", ROWS, finished=3)
    before = {one: one.stat().st_mtime_ns for one in (tmp_path / "results").rglob("*")}
    bulk_report("results")
    assert {one: one.stat().st_mtime_ns for one in (tmp_path / "results").rglob("*")} == before


def test_a_folder_without_a_run_is_refused(bulk_report, tmp_path):
    """So are a folder that is not there, and a run of which nothing is finished."""
    (tmp_path / "empty").mkdir()
    for place in ("empty", "missing"):
        done = bulk_report(place)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{tmp_path}/{place} holds no run of `topfive bulk`." in done.stderr
    make_run(tmp_path / "begun", ROWS, finished=0)
    done = bulk_report("begun")
    assert done.returncode == 2
    assert "nothing is finished yet" in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_a_file_that_has_gone_or_changed_is_named(bulk_report, tmp_path):
    """Nothing is counted without it: the report says which file, and what to do."""
    make_run(tmp_path / "results", ROWS)
    part = tmp_path / "results" / "part-000002.parquet"
    whole = part.read_bytes()
    middle = len(whole) // 2
    for content, why in (
        (None, "it has gone"),
        (whole[:-9], f"it has {len(whole) - 9:,} bytes, and was written with {len(whole):,}"),
        (whole[:middle] + bytes(64) + whole[middle + 64 :], "it is damaged"),
    ):
        part.unlink() if content is None else part.write_bytes(content)
        done = bulk_report("results")
        assert (done.returncode, done.stdout) == (1, "")
        assert f"part-000002.parquet cannot be counted: {why}." in done.stderr
        assert "with --resume, which writes it again." in done.stderr
    assert not (tmp_path / "report.html").exists()


def test_shards_that_nothing_tells_of_any_more_are_missed(bulk_report, tmp_path):
    """A finished run whose list of finished shards has lost some is not told as whole."""
    run = make_run(tmp_path / "results", ROWS)
    told = list(read_outcomes(run.folder, run.manifest.run_id))
    first, *others = [one.name for one in run.folder.list("_topfive/finished/")]
    run.folder.write(first, encode_segment(run.manifest.run_id, "me", told[:4]))
    run.folder.delete(*others)
    done = bulk_report("results")
    assert done.returncode == 0
    words = words_of(tmp_path / "report.html")
    assert "This run is not finished: 200 of 500 pictures are counted here." in words
    assert "files in _topfive/finished have gone or are damaged" in words


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("report.pdf", "does not end in .html"),
        ("missing/report.html", "there is no folder missing. Make it first."),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_work(bulk_report, tmp_path, out, why):
    """A wrong --out is wrong usage."""
    make_run(tmp_path / "results", ROWS[:50])
    done = bulk_report("results", "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr


def test_a_full_disk_leaves_the_former_report(bulk_report, tmp_path, monkeypatch):
    """A report that cannot be written does not take the place of the one that is there."""
    make_run(tmp_path / "results", ROWS[:50])
    (tmp_path / "report.html").write_text("former")

    def refuse(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    done = bulk_report("results")
    assert done.returncode == 1
    assert (
        done.stderr == "Error: The report report.html cannot be written: No space left on device.\n"
    )
    assert (tmp_path / "report.html").read_text() == "former"
