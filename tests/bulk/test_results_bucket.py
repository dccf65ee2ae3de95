"""Results in a bucket of a real S3 server, also where it fails."""

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import store_servers
from tests.unit.bulk.report.made_run import make_rows, make_run
from tests.unit.bulk.results.made import make_outcome, make_plan, write_shard
from topfive.bulk.report.page import write_report
from topfive.bulk.results.bucket import ResultsBucket
from topfive.bulk.results.folder import ListedFile, open_results
from topfive.bulk.results.manifest import MANIFEST_FILE, read_manifest
from topfive.bulk.results.run import Run, open_run
from topfive.concurrency.backoff import Backoff
from topfive.errors import BulkRefused, BulkStopped
from topfive.stores.address import parse_store

AT_ONCE = Backoff(first_s=0.01, most_s=0.01)


@pytest.fixture(scope="module")
def s3() -> Iterator[store_servers.FaultyServer]:
    """S3 with a bucket `out`, behind a server that can have its answers go wrong."""
    with store_servers.run_moto() as moto, store_servers.before(moto) as url:
        store_servers.make_bucket(moto, "out")
        yield url


@pytest.fixture
def place(
    s3: store_servers.FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """An empty prefix of its own in that bucket."""
    for name, value in {**store_servers.KEY, "AWS_ENDPOINT_URL": s3.url}.items():
        monkeypatch.setenv(name, value)
    yield f"s3://out/{abs(hash(request.node.name))}/run"
    s3.faults.clear()


def open_bucket(place: str) -> ResultsBucket:
    """Open a bucket that is asked again at once."""
    return ResultsBucket(parse_store(place), AT_ONCE)


def test_a_bucket_does_what_a_directory_does(place: str) -> None:
    """What is written is read, listed by its beginning, created once and deleted."""
    folder = open_results(place)
    assert folder.is_empty()
    assert folder.list("") == []
    folder.write("part-000001.csv", b"one")
    folder.write("part-000000.csv", b"")
    folder.write("part-000001.csv", b"again")
    folder.write("_topfive/finished/000000/000000.ndjson", b"x")
    assert not folder.is_empty()
    assert (folder.read("part-000001.csv"), folder.read("part-000000.csv")) == (b"again", b"")
    parts = [ListedFile("part-000000.csv", 0), ListedFile("part-000001.csv", 5)]
    assert folder.list("part-") == parts
    assert list(folder.scan(["part-000", "part-001"])) == parts
    assert (folder.exists("part-000000.csv"), folder.exists("part-00000")) == (True, False)
    folder.create("new", b"first")
    folder.create("new", b"first")
    with pytest.raises(FileExistsError):
        folder.create("new", b"second")
    assert folder.read("new") == b"first"
    folder.delete("new", "never")
    with pytest.raises(FileNotFoundError):
        folder.read("new")
    assert folder.location("a") == f"{place}/a"
    assert pickle.loads(pickle.dumps(folder)).read("part-000001.csv") == b"again"


def test_a_run_goes_on_in_a_bucket(place: str) -> None:
    """Begun, killed, adopted, gone on with and finished, as in a directory."""
    folder = open_results(place)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(12, 3, "ef" * 32)
        run.note(write_shard(run, 0).outcome)
        run.flush()
        write_shard(run, 2)
    with (
        pytest.raises(BulkRefused, match="by --resume"),
        open_run(folder, make_plan(), resume=False),
    ):
        pass
    with open_run(open_results(place), make_plan(), resume=True) as run:
        assert [one.shard for one in run.files.adopted] == [2]
        assert list(run.unfinished()) == [1]
        run.note(write_shard(run, 1).outcome)
        run.finish()
    assert json.loads(folder.read(MANIFEST_FILE))["totals"]["pictures"] == 12


def test_two_drivers_stop_each_other(place: str) -> None:
    """A bucket has no lock: who is second to write is told."""
    folder = open_results(place)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(12, 3, "ef" * 32)
    manifest = read_manifest(folder)
    assert manifest is not None
    first, second = Run(folder, manifest), Run(folder, manifest)
    for run in (first, second):
        run.load()
    first.note(write_shard(first, 0).outcome)
    first.flush()
    second.note(write_shard(second, 1).outcome)
    with pytest.raises(BulkStopped, match="Another `topfive bulk` is at work in s3://"):
        second.flush()


def test_a_short_outage_is_waited_for(place: str, s3: store_servers.FaultyServer) -> None:
    """Answers of 503, and some that break off, are asked for again."""
    folder = open_bucket(place)
    folder.write("a", b"x" * 100)
    s3.break_path("/run/a", store_servers.answering(503), times=2)
    assert folder.read("a") == b"x" * 100
    s3.break_path("/run/a", store_servers.cut_off, times=2)
    assert folder.read("a") == b"x" * 100
    s3.break_path("list-type=2", store_servers.answering(500), times=2)
    assert folder.exists("a")


def test_a_long_outage_stops_the_run_and_says_how_to_go_on(
    place: str, s3: store_servers.FaultyServer
) -> None:
    """In plain words, without the library's."""
    folder = open_bucket(place)
    folder.write("a", b"x")
    s3.break_path("/run/a", store_servers.answering(503))
    with pytest.raises(BulkStopped, match=r"cannot be used now: .* Go on with --resume"):
        folder.read("a")


def test_nobody_there_is_told(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address where nothing answers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BulkStopped, match="nothing answers there"):
        open_bucket(place).list("")


def test_a_bucket_that_is_not_there_is_refused(place: str) -> None:
    """To write and to list are refused; it is said that there is no bucket."""
    folder = open_results("s3://nobody/run")
    for use in (lambda: folder.write("a", b""), folder.is_empty):
        with pytest.raises(BulkRefused, match="there is no such bucket"):
            use()
    with (
        pytest.raises(BulkRefused, match="there is no such bucket"),
        open_run(folder, make_plan(), resume=False),
    ):
        pass


def test_a_bucket_that_refuses_to_be_written_is_refused(place: str) -> None:
    """Who may not write is told what to check, and nothing of a key."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    store_servers.ask_for_rights(endpoint, is_wanted=True)
    try:
        with pytest.raises(BulkRefused, match=r"refuses access. Check the credentials") as told:
            open_results(place).write("a", b"")
    finally:
        store_servers.ask_for_rights(endpoint, is_wanted=False)
    assert "testing" not in str(told.value)


def test_without_credentials_it_is_refused(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found that could be a login."""
    for name in store_servers.KEY:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(BulkRefused, match="refuses access"):
        open_results(place).write("a", b"")


def test_going_on_takes_few_requests(place: str, s3: store_servers.FaultyServer) -> None:
    """Of 250 segments a block is read for each full hundred; files are listed by thousands."""
    folder = open_results(place)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(4 * 2000, 2000, "ef" * 32)
        for shard in range(250):
            run.note(make_outcome(shard))
            run.flush()
    s3.seen.clear()
    with open_run(folder, make_plan(), resume=True) as run:
        # They have no files here.
        assert len(run.files.lost) == 250
    asked = [(method, path) for method, path, _ in s3.seen]
    assert sum(1 for _, path in asked if "/finished/" in path) == 2 + 50
    assert sum(1 for _, path in asked if "list-type=2" in path) <= 6


def test_a_report_is_made_of_results_in_a_bucket(place: str, tmp_path: Path) -> None:
    """All shards are read from there, and the report is a file here."""
    make_run(place, make_rows(200))
    seen: list[tuple[int, int]] = []
    gathered = write_report(place, tmp_path / "report.html", lambda *done: seen.append(done))
    assert (gathered.pictures, gathered.is_whole) == (200, True)
    assert seen == [(one, 4) for one in range(1, 5)]
    assert f"results in <code>{place}</code>" in (tmp_path / "report.html").read_text("utf-8")
