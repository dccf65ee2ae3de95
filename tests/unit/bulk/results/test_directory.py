"""Results in a directory: whole or not there, and every refusal in plain words."""

import errno
import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.bulk.results.made import results_in
from topfive.bulk.results.folder import ListedFile, open_results
from topfive.errors import BulkRefused, BulkStopped


@contextmanager
def largest_file(most_bytes: int) -> Iterator[None]:
    """Let no file become larger, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """Whoever goes on with a run reads files that anybody may have put there."""
    folder = results_in(tmp_path)
    folder.write("part-000001.parquet", b"a file")
    os.mkfifo(folder.location("part-000000.parquet"))
    assert folder.read("part-000000.parquet") == b""


def test_the_users_umask_says_who_may_read_results(tmp_path: Path) -> None:
    """Lists of names may hold secrets of addresses: nothing is opened to others by itself."""
    before = os.umask(0o077)
    try:
        results_in(tmp_path).write("_topfive/inputs/000000.parquet", b"names")
    finally:
        os.umask(before)
    (written,) = tmp_path.rglob("000000.parquet")
    assert written.stat().st_mode & 0o777 == 0o600


def test_files_are_written_read_listed_and_deleted(tmp_path: Path) -> None:
    """What is written can be read by its name, and is listed by how its name begins."""
    folder = results_in(tmp_path)
    assert folder.is_empty()
    assert folder.list("") == []
    folder.write("part-000001.csv", b"one")
    folder.write("part-000000.csv", b"none")
    folder.write("_topfive/finished/a/0.json", b"x")
    folder.write("part-000001.csv", b"again")
    assert not folder.is_empty()
    assert folder.read("part-000001.csv") == b"again"
    parts = [ListedFile("part-000000.csv", 4), ListedFile("part-000001.csv", 5)]
    assert folder.list("part-") == parts
    assert folder.list("_topfive/finished/") == [ListedFile("_topfive/finished/a/0.json", 1)]
    assert set(parts) <= set(folder.scan(["part-000"]))
    assert folder.exists("part-000000.csv")
    folder.delete("part-000000.csv", "part-000009.csv")
    assert not folder.exists("part-000000.csv")
    with pytest.raises(FileNotFoundError):
        folder.read("part-000000.csv")
    assert Path(folder.location("part-000001.csv")).read_bytes() == b"again"


def test_only_one_can_create_a_file(tmp_path: Path) -> None:
    """A file that is there is not created again, and stays as it is."""
    folder = results_in(tmp_path)
    folder.create("a", b"first")
    with pytest.raises(FileExistsError):
        folder.create("a", b"second")
    assert folder.read("a") == b"first"


def test_creating_works_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a FAT disk a file is created too, and a second time refused."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    folder = results_in(tmp_path)
    folder.create("a", b"first")
    with pytest.raises(FileExistsError):
        folder.create("a", b"second")
    assert folder.read("a") == b"first"


def test_a_folder_can_be_pickled(tmp_path: Path) -> None:
    """An actor has the same place."""
    folder = results_in(tmp_path)
    folder.write("a", b"x")
    assert pickle.loads(pickle.dumps(folder)).read("a") == b"x"


def test_a_relative_place_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process with another working directory finds the same folder."""
    monkeypatch.chdir(tmp_path)
    folder = open_results("results")
    assert folder.shown == str(tmp_path / "results")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The former file stays, nothing else is left, and it is said what to do."""
    folder = results_in(tmp_path)
    folder.write("a", b"whole")
    with largest_file(1000), pytest.raises(BulkStopped, match=r"Make space.*--resume"):
        folder.write("a", b"x" * 5000)
    assert folder.read("a") == b"whole"
    assert [one.name for one in folder.list("")] == ["a"]


def test_what_a_killed_process_leaves_is_no_result_and_is_tidied(tmp_path: Path) -> None:
    """A process killed while it writes leaves no file of that name; the rest is deleted."""
    code = (
        "import os, sys; from topfive.bulk.results.folder import open_results\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        "open_results(sys.argv[1]).write('part-000000.csv', b'half')"
    )
    place = tmp_path / "results"
    done = subprocess.run([sys.executable, "-c", code, str(place)], check=False)
    folder = results_in(tmp_path)
    assert done.returncode == -9
    assert folder.list("part-") == []
    assert len(folder.list("")) == 1
    assert folder.is_empty()
    folder.tidy()
    assert folder.list("") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_refused(tmp_path: Path) -> None:
    """A folder that this user may not write to is a mistake, and says so."""
    (tmp_path / "results").mkdir(mode=0o500)
    with pytest.raises(BulkRefused, match=r"Permission denied.*right to read and write"):
        results_in(tmp_path).write("a", b"")


def test_a_disk_that_is_read_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be written there, by anybody."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(BulkRefused, match="Read-only file system"):
        results_in(tmp_path).write("a", b"")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Results cannot lie in a file."""
    (tmp_path / "results").write_text("a file")
    folder = results_in(tmp_path)
    with pytest.raises(BulkRefused, match=r"cannot be used: (Not a directory|File exists)"):
        folder.write("a", b"")
    with pytest.raises(BulkRefused, match="Not a directory"):
        folder.is_empty()


def test_two_cannot_lock_a_folder(tmp_path: Path) -> None:
    """The second is told; once the first has ended, it can."""
    folder = results_in(tmp_path)
    with folder.locked(), pytest.raises(BulkRefused, match="at work in"), folder.locked():
        pass
    with folder.locked():
        assert folder.is_empty()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("", "has no name"),
        ("a\0b", "has no name"),
        ("https://example.org/results", "a web server"),
        ("ftp://example.org/results", "s3://, gs:// or az://"),
        ("s3://", "a bucket's name"),
    ],
)
def test_places_that_cannot_be_are_refused(place: str, told: str) -> None:
    """What is wrong with a place is said before anything is read."""
    with pytest.raises(BulkRefused, match=told):
        open_results(place)
