"""Results counted: every picture once, or told what is wrong."""

from pathlib import Path

import pytest

from tests.unit.bulk.results.made import (
    REF,
    make_plan,
    make_row,
    make_rows,
    make_shard,
    results_in,
    write_shard,
)
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.counting import Count, count_pictures
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import read_manifest
from topfive.bulk.results.parts import part_name, write_part
from topfive.bulk.results.run import open_run

FORMATS = list(ResultFormat)


def make_run(path: Path, format: ResultFormat) -> ResultsFolder:
    """Make the finished run of ten pictures, in three shards."""
    folder = results_in(path)
    with open_run(folder, make_plan(format=format), resume=False) as run:
        run.listed(10, 3, "ef" * 32)
        for shard, pictures in enumerate((4, 4, 2)):
            run.note(write_shard(run, shard, pictures).outcome)
        run.finish()
    return folder


def count(folder: ResultsFolder) -> Count:
    """Count a run's pictures."""
    manifest = read_manifest(folder)
    assert manifest is not None
    return count_pictures(folder, manifest)


@pytest.mark.parametrize("format", FORMATS)
def test_a_finished_run_is_exact(tmp_path: Path, format: ResultFormat) -> None:
    """Ten pictures, each once, in three files."""
    found = count(make_run(tmp_path, format))
    assert found == Count(expected=10, pictures=10, files=3)
    assert found.is_exact


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_missing_double_or_too_much_is_told(tmp_path: Path, format: ResultFormat) -> None:
    """A file that is gone, one with a picture twice, and one that is of no shard."""
    folder = make_run(tmp_path, format)
    manifest = read_manifest(folder)
    assert manifest is not None
    rows = [make_row(4), make_row(4), make_row(6), make_row(7)]
    write_part(folder, format, manifest.run_id, make_shard(1), rows, REF)
    write_part(folder, format, manifest.run_id, make_shard(3), make_rows(make_shard(3)), REF)
    folder.write("notes.txt", b"mine")
    folder.delete(part_name(0, format))
    found = count(folder)
    assert not found.is_exact
    assert (found.pictures, found.missing) == (2, [0])
    assert sorted(found.others) == ["notes.txt", part_name(3, format)]
    assert list(found.wrong) == [part_name(1, format)]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_cut_short_is_told(tmp_path: Path, format: ResultFormat) -> None:
    """And how many pictures the whole ones have."""
    folder = make_run(tmp_path, format)
    name = part_name(1, format)
    folder.write(name, folder.read(name)[:-20])
    found = count(folder)
    assert (found.pictures, list(found.wrong)) == (6, [name])


def test_other_answers_than_those_that_were_noted_are_told(tmp_path: Path) -> None:
    """A whole file of the same pictures with another answer is not the one that was written."""
    folder = make_run(tmp_path, ResultFormat.PARQUET)
    manifest = read_manifest(folder)
    assert manifest is not None
    rows = [make_row(4, "another.jpg"), *make_rows(make_shard(1))[1:]]
    write_part(folder, "parquet", manifest.run_id, make_shard(1), rows, REF)
    assert count(folder).wrong == {
        "part-000001.parquet": "its answers are not those that were noted"
    }
    write_part(folder, "parquet", "another", make_shard(1), make_rows(make_shard(1)), REF)
    assert count(folder).wrong == {"part-000001.parquet": "it is of another run or shard"}
