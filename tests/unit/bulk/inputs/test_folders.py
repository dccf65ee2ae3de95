"""Pictures in folders and globs: every one, once, in one order, whatever lies there."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.unit.bulk.inputs.places import contents, entries_of, fill, names_in
from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.listing import list_entries
from topfive.bulk.inputs.source import parse_source
from topfive.errors import BulkRefused


def test_pictures_of_all_depths_are_sorted_by_their_paths(tmp_path: Path) -> None:
    """The order is that of the whole paths' bytes: `a.jpg` comes before what is in `a`."""
    names = ["z.jpg", "a.jpg", "a/b/c.PNG", "a/a.webp", "a!.jpg", "a0.gif", "notes.txt", "B.jpeg"]
    fill(tmp_path, names)
    assert names_in(tmp_path, tmp_path) == sorted(one for one in names if one != "notes.txt")


def test_sizes_and_times_are_told(tmp_path: Path) -> None:
    """A file that is written again is another entry."""
    fill(tmp_path, ["a.jpg"])
    os.utime(tmp_path / "a.jpg", ns=(0, 1_234_567_890))
    assert entries_of(tmp_path) == [Entry(f"{tmp_path}/a.jpg".encode(), 5, "1234567890")]


def test_odd_names_are_read(tmp_path: Path) -> None:
    """Line breaks, emoji, bytes that are no UTF-8, and the longest names are names."""
    names = [
        "a\nb.jpg",
        "\U0001f600.png",
        os.fsdecode(b"\xff\xfe.gif"),
        "x" * 251 + ".bmp",
        "-.jpg",
    ]
    fill(tmp_path, names)
    found = entries_of(tmp_path)
    assert len(found) == len(names)
    assert {os.fsdecode(one) for one in contents(found) if isinstance(one, bytes)} == set(names)


def test_circles_of_links_end(tmp_path: Path) -> None:
    """A linked folder is not looked into; a linked picture is one; a link to itself is told."""
    fill(tmp_path, ["a/cat.jpg"])
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/folder.jpg").symlink_to(tmp_path / "a")
    (tmp_path / "dog.jpg").symlink_to(tmp_path / "a/cat.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    assert names_in(tmp_path, tmp_path) == ["a/cat.jpg", "dog.jpg", "gone.jpg", "self.jpg"]
    assert contents(entries_of(tmp_path)) == [
        b"a/cat.jpg",
        b"a/cat.jpg",
        "No such file or directory.",
        "Too many levels of symbolic links.",
    ]


def test_pipes_and_sockets_are_told_and_never_waited_for(tmp_path: Path) -> None:
    """What is named like a picture and is no file is a row that says so."""
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket.jpg"))
        assert contents(entries_of(tmp_path)) == ["It is not a regular file."] * 2


def test_a_folder_that_cannot_be_listed_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that may be in it are not passed over without a word."""
    fill(tmp_path, ["a/x.jpg", "b/x.jpg", "c/x.jpg"])
    scandir = os.scandir

    def refusing(path: bytes) -> object:
        if os.fsencode(path).endswith(b"/b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert names_in(tmp_path, tmp_path) == ["a/x.jpg", "b", "c/x.jpg"]
    assert contents(entries_of(tmp_path))[1] == "It is a folder."


def test_a_tree_deeper_than_a_path_can_be_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders too deep for the system are one row, and others are listed."""
    fill(tmp_path, ["z.jpg"])
    # From folder to folder, since no path leads there.
    monkeypatch.chdir(tmp_path)
    for _ in range(20):
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)
    *deep, last = names_in(tmp_path, tmp_path)
    assert (len(deep), last) == (1, "z.jpg")
    assert contents(entries_of(tmp_path))[0] == "File name too long."


def test_a_folder_that_changes_while_it_is_listed(tmp_path: Path) -> None:
    """What goes is a row that says so, if it was seen; a folder that goes is one too."""
    fill(tmp_path, ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c.jpg"])
    entries = list_entries(parse_source(str(tmp_path)))
    seen = [next(entries)]
    (tmp_path / "a/2.jpg").unlink()
    shutil.rmtree(tmp_path / "b")
    seen += entries
    assert contents(seen) == [b"a/1.jpg", "No such file or directory.",
                              "No such file or directory.", b"c.jpg"]  # fmt: skip


def test_a_file_of_two_gigabytes_is_read_no_further_than_the_limit(tmp_path: Path) -> None:
    """One byte more than is allowed shows that it is too large."""
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(2 * 1024**3)
    (entry,) = entries_of(tmp_path)
    assert entry.size_bytes == 2 * 1024**3
    assert contents([entry], max_bytes=1000) == [bytes(1001)]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without a picture says so, and how pictures are named."""
    fill(tmp_path, ["notes.txt"])
    with pytest.raises(BulkRefused, match=r"holds no picture. Pictures end with .*\.jpg"):
        entries_of(tmp_path)


def test_a_folder_that_goes_is_refused(tmp_path: Path) -> None:
    """A place that is no more there when it is listed is a mistake in plain words."""
    folder = fill(tmp_path / "photos", ["a.jpg"])
    source = parse_source(str(folder))
    shutil.rmtree(folder)
    with pytest.raises(BulkRefused, match="There is nothing at"):
        list(list_entries(source))


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("*.jpg", ["a.jpg", "b.jpg"]),
        ("?.jpg", ["a.jpg", "b.jpg"]),
        ("?.png", ["\u00e9.png"]),
        ("[!a].jpg", ["b.jpg"]),
        ("*/*.jpg", ["d/c.jpg"]),
        ("**/*.jpg", ["a.jpg", "b.jpg", "d/c.jpg", "d/e/f.jpg"]),
        ("d/**/*.jpg", ["d/c.jpg", "d/e/f.jpg"]),
        ("**/e/*", ["d/e/f.jpg", "d/e/g.txt"]),
        ("d/**", ["d/c.jpg", "d/e/f.jpg", "d/e/g.txt"]),
        ("**/.*.jpg", [".h.jpg"]),
        ("*.gif", []),
    ],
)
def test_globs_mean_what_shells_mean(tmp_path: Path, pattern: str, meant: list[str]) -> None:
    """Files of any name, and hidden ones only where the dot is written."""
    fill(
        tmp_path,
        ["a.jpg", "b.jpg", ".h.jpg", "d/c.jpg", "d/e/f.jpg", "d/e/g.txt", ".i/j.jpg", "\u00e9.png"],
    )
    if meant:
        assert names_in(tmp_path, tmp_path / pattern) == meant
    else:
        with pytest.raises(BulkRefused, match="No file matches"):
            entries_of(f"{tmp_path}/{pattern}")


def test_globs_follow_links_where_they_cannot_lead_in_a_circle(tmp_path: Path) -> None:
    """`*/*.jpg` looks into linked folders, as shells do; `**` does not."""
    fill(tmp_path, ["real/a.jpg"])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names_in(tmp_path, tmp_path / "*/*.jpg") == ["link/a.jpg", "real/a.jpg"]
    assert names_in(tmp_path, tmp_path / "**/*.jpg") == ["real/a.jpg"]


def test_a_glob_below_nothing_is_refused(tmp_path: Path) -> None:
    """A glob whose folder is not there says so."""
    with pytest.raises(BulkRefused, match="There is nothing at"):
        entries_of(tmp_path / "nowhere/*.jpg")


def test_ten_thousand_tiny_files_are_ten_thousand_entries(tmp_path: Path) -> None:
    """None is lost and none is twice, however many lie in one folder."""
    names = [f"{number}.png" for number in range(10_000)]
    fill(tmp_path, names)
    assert names_in(tmp_path, tmp_path) == sorted(names)
