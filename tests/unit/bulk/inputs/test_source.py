"""Which pictures are meant, from what an operator types."""

import os
from pathlib import Path

import pytest

from tests.unit.bulk.inputs.places import fill, write_table
from topfive.bulk.inputs.source import parse_source
from topfive.errors import BulkRefused


def test_kinds_are_told_by_what_is_there(tmp_path: Path) -> None:
    """A folder, a picture, a list, a table, a folder of tables, a glob: each by its look."""
    fill(tmp_path, ["photos/cat.jpg", "photos/LIST.TXT", "photos/list.ndjson"])
    write_table(tmp_path / "tables/a.parquet", {"image": [b"x"]})
    kinds = {
        "photos": "directory",
        "photos/cat.jpg": "file",
        "photos/LIST.TXT": "list",
        "photos/list.ndjson": "list",
        "tables": "parquet",
        "tables/a.parquet": "parquet",
        "photos/*.jpg": "glob",
    }
    assert {one: parse_source(f"{tmp_path}/{one}").kind for one in kinds} == kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("s3://bucket", "bucket"),
        ("gs://bucket/some where/2024-*.jpg", "bucket"),
        ("az://container/photos/", "bucket"),
        ("s3://bucket/list.txt", "list"),
        ("s3://bucket/table.parquet", "parquet"),
        ("https://example.test/cat.jpg", "url"),
    ],
)
def test_addresses_tell_their_kind(text: str, kind: str) -> None:
    """What begins as a bucket's or a web server's address is never taken for a file."""
    assert parse_source(text).kind == kind


def test_a_folder_with_a_column_is_one_of_tables(tmp_path: Path) -> None:
    """Whoever names a column means tables, whatever else lies in the folder."""
    fill(tmp_path, ["cat.jpg"])
    assert parse_source(str(tmp_path), "image").kind == "parquet"


def test_a_folder_with_pictures_beside_tables_is_one_of_pictures(tmp_path: Path) -> None:
    """A table of labels among photos does not make them a table."""
    fill(tmp_path, ["cat.jpg", "labels.parquet"])
    assert parse_source(str(tmp_path)).kind == "directory"


def test_a_file_with_wildcards_in_its_name_is_that_file(tmp_path: Path) -> None:
    """What is there comes before what a glob would mean."""
    fill(tmp_path, ["a[1].jpg"])
    assert parse_source(f"{tmp_path}/a[1].jpg").kind == "file"


def test_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, with another working directory, finds the same files."""
    fill(tmp_path, ["photos/cat.jpg"])
    monkeypatch.chdir(tmp_path)
    assert parse_source("photos").place == f"{tmp_path}/photos".encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no name"),
        ("nothing/here", "No such file or directory"),
        ("ftp://example.test/x", "ftp://"),
        ("s3://", "has no name of a bucket"),
        ("s3://b?d/photos", "has no name of a bucket"),
        ("gs://bucket/" + "x" * 1025, "more than 1024 bytes"),
        ("az://bucket/\udcff", "is no UTF-8"),
        ("https://", "names no web server"),
        ("https://[::1/x", "names no web server"),
        ("/dev/null", "a pipe or a device"),
    ],
)
def test_what_cannot_be_a_source_is_refused(text: str, said: str) -> None:
    """The message says what is wrong with what was given."""
    with pytest.raises(BulkRefused, match=said):
        parse_source(text)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A file that is neither a picture nor a list is named, with what can be given."""
    fill(tmp_path, ["notes.doc"])
    with pytest.raises(BulkRefused, match=r"notes.doc is named neither .* Give a directory"):
        parse_source(f"{tmp_path}/notes.doc")


def test_a_column_without_a_table_is_refused(tmp_path: Path) -> None:
    """A column that would be ignored is a mistake that is told."""
    fill(tmp_path, ["cat.jpg"])
    with pytest.raises(BulkRefused, match="--column"):
        parse_source(f"{tmp_path}/cat.jpg", "image")


def test_what_is_shown_has_no_secret() -> None:
    """Neither a login nor a signature of an address is shown."""
    source = parse_source("https://me:secret@example.test/cat.jpg?sig=secret#secret")
    assert source.shown == "https://example.test/cat.jpg?..."
    assert "secret" not in repr(source)


def test_names_that_are_no_text_are_shown_escaped(tmp_path: Path) -> None:
    """A folder whose name is no UTF-8 is used, and shown so that it can be printed."""
    folder = fill(tmp_path, [os.fsdecode(b"a\xff/cat.jpg")]) / os.fsdecode(b"a\xff")
    assert parse_source(str(folder)).shown == f"{tmp_path}/a\\xff"
