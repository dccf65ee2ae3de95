"""Runs whose processes are killed: what is there in the end is what an undisturbed run has."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.bulk.command import run_bulk
from tests.bulk.exactness import classify_here, digest, draw_pictures, require_exact
from tests.bulk.started import ACTOR, RAYLET, StartedBulk
from topfive.bulk.results.counting import count_pictures
from topfive.bulk.results.folder import open_results
from topfive.bulk.results.manifest import read_manifest

PICTURES = 160
SHARD = 4
ACTORS = 2
# Of a disk that is full soon: there is space for some result files.
ROOM_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Draw pictures that take some milliseconds each."""
    return draw_pictures(tmp_path_factory.mktemp("drawn") / "pictures", PICTURES, side=2400)


@pytest.fixture(scope="module")
def expected(pictures: list[Path]) -> str:
    """The digest of the answers of one classifier in one process."""
    return digest(classify_here(pictures))


@pytest.fixture(scope="module")
def killed(pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedBulk]:
    """A run of which first an actor was killed, and then, some shards later, the driver."""
    folder = tmp_path_factory.mktemp("killed")
    run = start(pictures, folder / "results", folder / "log")
    try:
        run.wait_for_parts(3)
        run.kill_pid(run.pids(ACTOR)[0])
        run.wait_for_parts(8)
        with run.held_up():
            refuse_second(pictures, run.results)
            run.kill_driver()
        yield run
    finally:
        run.close()


def start(pictures: list[Path], results: Path, log: Path, *options: str) -> StartedBulk:
    """Start a run, or go on with one."""
    return StartedBulk(*arguments(pictures, results), *options, log=log)


def arguments(pictures: list[Path], results: Path) -> list[str | Path]:
    """What the run is started with each time."""
    return [pictures[0].parent, "--out", results, "--shard-pictures", str(SHARD),
            "--actors", str(ACTORS)]  # fmt: skip


def refuse_second(pictures: list[Path], results: Path) -> None:
    """Two drivers at once are one too many, which the second is told."""
    second = run_bulk(*arguments(pictures, results), "--resume")
    assert second.returncode == 2
    assert "Another `topfive bulk` is at work" in second.stderr


def test_nothing_is_lost_or_twice_after_kills(
    pictures: list[Path], expected: str, killed: StartedBulk, tmp_path: Path
) -> None:
    """It goes on at once, loses Ray, and goes on with damaged files; what was whole stays."""
    results = shutil.copytree(killed.results, tmp_path / "results")
    before = inodes(results)
    run = start(pictures, results, tmp_path / "log-1", "--resume")
    try:
        run.wait_for_parts(len(before) + 4)
        run.kill(RAYLET)
        assert run.end() == 1
        assert "Traceback" not in run.told
        assert "Warning" not in run.told
    finally:
        run.close()
    whole = inodes(results)
    assert {name: whole[name] for name in before} == before
    damaged = damage(results, sorted(whole))
    done = run_bulk(*arguments(pictures, results), "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert require_exact(results, pictures) == expected
    after = inodes(results)
    assert {name for name in whole if after[name] != whole[name]} == damaged


def inodes(results: Path) -> dict[str, int]:
    """List result files by their inodes: one that is written again has another."""
    return {one.name: one.stat().st_ino for one in results.glob("part-*")}


def damage(results: Path, parts: list[str]) -> set[str]:
    """Cut a result file short, delete one, and spoil what is known of finished shards."""
    cut = results / parts[1]
    os.truncate(cut, cut.stat().st_size // 2)
    (results / parts[2]).unlink()
    segment = sorted(results.glob("_topfive/finished/0*/*.ndjson"))[0]
    segment.write_bytes(segment.read_bytes()[:-7])
    (results / "_topfive/writing").mkdir(exist_ok=True)
    (results / "_topfive/writing/part-000000.parquetabc").write_bytes(b"half")
    return {parts[1], parts[2]}


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = Path(mkdtemp(prefix="topfive-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder],
        check=False,
        capture_output=True,
    )
    try:
        if mounted.returncode:
            pytest.skip("a file system can be mounted by root alone")
        yield folder
        subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


def test_a_full_disk_stops_it_with_nothing_half_written(
    pictures: list[Path], killed: StartedBulk
) -> None:
    """What to do is said, and each result file that is there is whole."""
    with small_disk() as folder:
        results = shutil.copytree(killed.results, folder / "results")
        (folder / "filler").write_bytes(bytes(free_bytes(folder) - ROOM_BYTES))
        stopped = run_bulk(*arguments(pictures, results), "--resume")
        assert stopped.returncode == 1, stopped.stderr
        assert "Make space" in stopped.stderr
        assert "--resume" in stopped.stderr
        manifest = read_manifest(open_results(str(results)))
        assert manifest is not None
        count = count_pictures(open_results(str(results)), manifest)
        assert not count.wrong
        assert len(killed.parts()) <= count.files < PICTURES / SHARD


def free_bytes(folder: Path) -> int:
    """Tell how much can be written there."""
    return shutil.disk_usage(folder).free


@pytest.mark.parametrize(
    ("options", "variables", "said"),
    [
        (["--format", "csv"], {}, "--format parquet, not csv"),
        (["--shard-pictures", "5"], {"TOPFIVE_MAX_PIXELS": "9000000"}, "not 9000000"),
    ],
)
def test_a_run_goes_on_as_it_began(
    pictures: list[Path],
    killed: StartedBulk,
    options: list[str],
    variables: dict[str, str],
    said: str,
) -> None:
    """What is different is named, and nothing is written."""
    before = inodes(killed.results)
    refused = run_bulk(*arguments(pictures, killed.results), *options, "--resume", **variables)
    assert refused.returncode == 2, refused.stderr
    assert said in refused.stderr
    assert inodes(killed.results) == before


def test_other_pictures_are_noticed(
    pictures: list[Path], killed: StartedBulk, tmp_path: Path
) -> None:
    """How many were added, have gone and have changed is told."""
    results = shutil.copytree(killed.results, tmp_path / "results")
    folder = pictures[0].parent
    spare = tmp_path / "spare.png"
    os.link(pictures[3], spare)
    try:
        pictures[3].unlink()
        (folder / "new.png").write_bytes(b"new")
        (folder / "other.png").write_bytes(b"new, too")
        refused = run_bulk(*arguments(pictures, results), "--resume")
    finally:
        (folder / "new.png").unlink()
        (folder / "other.png").unlink()
        spare.rename(pictures[3])
    assert refused.returncode == 2
    assert "2 added, 1 gone" in refused.stderr
