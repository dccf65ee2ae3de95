"""Lists of names that somebody wrote, and the lists that are written for Ray."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bulk.inputs.places import contents, entries_of, fill, names_in, write_json_lines
from topfive.bulk.inputs.entries import Entry, InputDigest
from topfive.bulk.inputs.list_files import read_shards, write_input_list
from topfive.bulk.inputs.names import show_name
from topfive.errors import BulkRefused


class Folder:
    """A results' folder in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def write(self, name: str, content: bytes) -> None:
        """Keep a file."""
        self.files[name] = content

    def delete(self, *names: str) -> None:
        """Forget files."""
        for name in names:
            del self.files[name]


def test_lines_are_names_in_the_lists_order(tmp_path: Path) -> None:
    """Relative names are from the list's folder; empty lines and line ends are no names."""
    fill(tmp_path, ["photos/b.jpg", "photos/a.jpg"])
    lines = f"\ufeffphotos/b.jpg\r\n\n{tmp_path}/photos/a.jpg\nphotos/b.jpg"
    (tmp_path / "list.txt").write_text(lines, "utf-8")
    found = entries_of(tmp_path / "list.txt")
    assert contents(found) == [b"photos/b.jpg", b"photos/a.jpg", b"photos/b.jpg"]


def test_names_that_are_missing_are_rows(tmp_path: Path) -> None:
    """A list is taken as it is: what is not there is told when it is read."""
    fill(tmp_path, ["a.jpg"])
    (tmp_path / "list.txt").write_bytes(b"gone.jpg\na.jpg\nfolder.jpg\n" + b"x" * 300 + b"\n")
    (tmp_path / "folder.jpg").mkdir()
    assert contents(entries_of(tmp_path / "list.txt")) == [
        "No such file or directory.",
        b"a.jpg",
        "It is a folder.",
        "File name too long.",
    ]


class _SilentFile(io.FileIO):
    """Is as `/proc/kmsg`, read without waiting, when there is nothing new."""

    def read(self, _size: int | None = -1, /) -> bytes:
        return None  # type: ignore[return-value]


def test_a_file_of_the_system_with_nothing_to_say_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not even say that it is empty, and stops no run."""
    (tmp_path / "list.txt").write_text("kmsg\n")
    fill(tmp_path, ["kmsg"])
    entries = entries_of(tmp_path / "list.txt")
    monkeypatch.setattr(os, "fdopen", _SilentFile)
    assert contents(entries) == ["It is not a regular file."]


def test_json_strings_can_name_anything(tmp_path: Path) -> None:
    """Line breaks, spaces at the end, emoji, and bytes that are no UTF-8 come through."""
    names = ["a\nb.jpg", " c.jpg ", "\U0001f600.jpg", os.fsdecode(b"\xff.jpg")]
    fill(tmp_path, names)
    path = write_json_lines(tmp_path / "list.ndjson", names)
    assert names_in(tmp_path, path) == names
    assert all(isinstance(one, bytes) for one in contents(entries_of(path)))


def test_addresses_that_cannot_be_are_rows(tmp_path: Path) -> None:
    """No library is asked for what no store can have."""
    names = ["s3://", "s3://b!d/a.jpg", "gs://bucket", f"az://box/{'x' * 1025}", "s3://b\udcff/a"]
    path = write_json_lines(tmp_path / "list.ndjson", names)
    assert contents(entries_of(path)) == [
        "The address has no name of a bucket as there are.",
        "The address has no name of a bucket as there are.",
        "The address names a bucket, and no object in it.",
        "The address has more than 1024 bytes behind the bucket.",
        "The address is no UTF-8.",
    ]


def test_no_login_of_any_address_is_shown() -> None:
    """Whoever writes a key into a bucket's address does not find it in results and errors."""
    shown = [show_name(one) for one in (b"s3://KEY:SECRET@box/a@b.jpg", b"ftp://me:SECRET@host/a")]
    assert shown == ["s3://box/a@b.jpg", "ftp://host/a"]
    assert show_name(b"/photos/me:there@home.jpg") == "/photos/me:there@home.jpg"


def test_addresses_stay_as_they_are(tmp_path: Path) -> None:
    """Files, objects and web addresses may be mixed."""
    names = ["s3://bucket/a.jpg", "https://example.test/a.jpg?x=1", "/absolute.jpg"]
    path = write_json_lines(tmp_path / "list.jsonl", names)
    assert [one.name.decode() for one in entries_of(path)] == names


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.txt", b"", "names no picture"),
        ("list.txt", b"\n\n", "names no picture"),
        ("list.txt", b"a.jpg\nb\0.jpg\n", "line 2 has a zero byte"),
        ("list.txt", b"a.jpg\n" + b"x" * 70_000, "line 2 is longer than 65,536 bytes"),
        ("list.ndjson", b'"a.jpg"\n{"name": 1}\n', "line 2 is no JSON string"),
        ("list.ndjson", b"a.jpg\n", "line 1 is no JSON string"),
        ("list.ndjson", b'"\\ud800"\n', "line 1 has half of a character"),
        ("list.ndjson", b"[" * 50_000, "line 1 is no JSON string"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """The message names the line and what is wrong with it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BulkRefused, match=said):
        entries_of(tmp_path / name)


ENTRIES = [Entry(b"\xff\n%d.jpg" % number, number, str(number)) for number in range(1050)]


def test_written_lists_give_the_same_shards_back() -> None:
    """Every picture is in one shard, with its name's bytes, size and stamp, and its place."""
    folder = Folder()
    written = write_input_list(folder, iter(ENTRIES), 5)
    shards = [one for name in written.files for one in read_shards(folder.files[name])]
    assert [entry for one in shards for entry in one.entries] == ENTRIES
    assert [(one.number, one.first_index) for one in shards] == [(n, 5 * n) for n in range(210)]
    assert (written.pictures, written.shards) == (1050, 210)
    assert written.files == tuple(f"_topfive/inputs/00000{n}.parquet" for n in range(3))
    assert sorted(folder.files) == list(written.files)


def test_the_digest_is_that_of_the_entries_alone() -> None:
    """The size of shards is another matter than what was listed."""
    digest = InputDigest()
    for one in ENTRIES:
        digest.add(one)
    assert {write_input_list(Folder(), ENTRIES, n).sha256 for n in (5, 7)} == {digest.hexdigest()}


def test_a_listing_that_fails_leaves_no_list() -> None:
    """What was written before is deleted: the folder holds no run."""
    folder = Folder()

    def failing() -> Iterator[Entry]:
        yield from ENTRIES
        raise BulkRefused("no more")

    with pytest.raises(BulkRefused, match="no more"):
        write_input_list(folder, failing(), 5)
    assert folder.files == {}
