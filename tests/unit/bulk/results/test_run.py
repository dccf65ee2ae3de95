"""Runs: begun, noted, ended and gone on with; nothing is lost or done twice."""

import json
import threading
from pathlib import Path

import pytest

from tests.unit.bulk.results.made import (
    MODEL,
    make_outcome,
    make_plan,
    results_in,
    write_shard,
)
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.finished import Totals
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.manifest import (
    MANIFEST_FILE,
    RunModel,
    RunState,
    new_manifest,
    read_manifest,
)
from topfive.bulk.results.run import Run, open_run
from topfive.errors import BulkRefused, BulkStopped

PICTURES, SHARDS = 18, 5  # the last shard has two


def begin(folder: ResultsFolder, *shards: int, noted: bool = True) -> None:
    """Begin a run, do some shards, and end as if the driver were killed."""
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        do(run, *shards, noted=noted)


def do(run: Run, *shards: int, noted: bool = True) -> None:
    """Do some shards."""
    for shard in shards:
        part = write_shard(run, shard, 2 if shard == SHARDS - 1 else 4)
        if noted:
            run.note(part.outcome)
    run.flush()


def unfinished(folder: ResultsFolder) -> list[int]:
    """Tell what a run that is gone on with is to do."""
    with open_run(folder, make_plan(), resume=True) as run:
        return list(run.unfinished())


def test_a_run_goes_from_its_list_to_its_end(tmp_path: Path) -> None:
    """The manifest tells its state, its input and what it comes to."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False) as run:
        assert not run.is_listed
        assert run.manifest.state is RunState.LISTING
        run.listed(PICTURES, SHARDS, "ef" * 32)
        assert run.is_listed
        do(run, *range(SHARDS))
        run.finish()
        assert run.is_finished
    told = json.loads(folder.read(MANIFEST_FILE))
    assert told["state"] == "finished"
    assert told["input"] == {
        "source": "photos", "kind": "directory", "pictures": 18, "shards": 5, "sha256": "ef" * 32,
    }  # fmt: skip
    assert told["model"]["name"] == "tiny"
    assert (told["format"], told["shard_pictures"], told["format_version"]) == ("parquet", 4, 1)
    assert told["totals"]["pictures"] == 18
    assert told["totals"]["errors"] == {"invalid_image": 4}
    assert set(told["made_by"]) == {"topfive", "ray"}


def test_a_run_goes_on_with_what_is_left(tmp_path: Path) -> None:
    """After a kill the shards that were noted are finished, and the others are to be done."""
    folder = results_in(tmp_path)
    begin(folder, 0, 3)
    with open_run(folder, make_plan(), resume=True) as run:
        assert list(run.unfinished()) == [1, 2, 4]
        assert (0 in run.finished_shards, 1 in run.finished_shards) == (True, False)
        do(run, 1, 2, 4)
        run.finish()
        assert run.manifest.totals.pictures == PICTURES


def test_whole_files_that_were_not_noted_are_adopted(tmp_path: Path) -> None:
    """What actors had written when the driver was killed is not done again."""
    folder = results_in(tmp_path)
    begin(folder, 0, 4, noted=False)
    assert unfinished(folder) == [1, 2, 3]
    # It is noted now, with all that is known of it.
    with open_run(folder, make_plan(), resume=True) as run:
        assert run.files.adopted == []
        totals = run.manifest.totals
        assert (totals.shards, totals.pictures, totals.errors) == (2, 6, {"invalid_image": 1})
        assert totals.duration_s == 2.5


def test_files_that_are_cut_short_or_of_others_are_not_adopted(tmp_path: Path) -> None:
    """A damaged file, one of another run, and one of another shard are done again, and told."""
    folder = results_in(tmp_path)
    begin(folder, 0, 1, 2, 3, noted=False)
    whole = folder.read("part-000000.parquet")
    folder.write("part-000000.parquet", whole[:-10])
    folder.write("part-000001.parquet", whole)
    other = results_in(tmp_path / "other")
    begin(other, 2, noted=False)
    folder.write("part-000002.parquet", other.read("part-000002.parquet"))
    with open_run(folder, make_plan(), resume=True) as run:
        assert list(run.unfinished()) == [0, 1, 2, 4]
        assert sorted(run.damaged_files) == [f"part-00000{shard}.parquet" for shard in range(3)]
        kept, damaged = run.findings()
        assert kept == "Shards done and not noted before: 1. They are kept."
        assert damaged.startswith("Files that are damaged or of another run: 3 (part-00000")


def test_finished_shards_whose_file_is_gone_are_done_again(tmp_path: Path) -> None:
    """A file that was deleted, and one of another size, are no longer finished."""
    folder = results_in(tmp_path)
    begin(folder, 0, 1, 2)
    folder.delete("part-000001.parquet")
    folder.write("part-000002.parquet", folder.read("part-000002.parquet")[:-1])
    with open_run(folder, make_plan(), resume=True) as run:
        assert run.files.lost == [1, 2]
        (told,) = run.findings()
        assert told.endswith("have gone or have another size: 2. They are done again.")
        assert list(run.unfinished()) == [1, 2, 3, 4]
        do(run, 1, 2)
    assert unfinished(folder) == [3, 4]


def test_a_run_does_not_end_while_something_is_missing(tmp_path: Path) -> None:
    """A shard that is not done, or whose file has gone, is told at the end."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        do(run, 0, 1, 2, 3)
        folder.delete("part-000002.parquet")
        with pytest.raises(BulkStopped, match="not done: 1, whose files have gone or changed: 1"):
            run.finish()
        assert run.manifest.state is RunState.RUNNING


@pytest.mark.parametrize("format", [ResultFormat.CSV, ResultFormat.NDJSON])
def test_forms_without_a_run_are_never_adopted(tmp_path: Path, format: ResultFormat) -> None:
    """CSV and NDJSON files that were not noted are written again; noted ones are finished."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(format=format), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        do(run, 0)
        do(run, 1, noted=False)
    with open_run(folder, make_plan(format=format), resume=True) as run:
        assert list(run.unfinished()) == [1, 2, 3, 4]
        assert run.damaged_files == []


def test_what_was_noted_is_written_within_a_second_or_a_hundred_shards(tmp_path: Path) -> None:
    """A kill loses no more than that."""
    folder = results_in(tmp_path)
    times = iter([0.0, 0.5, 0.9, 1.0, *[1.0] * 1000])
    run = Run(folder, new_manifest(make_plan()), lambda: next(times))

    def segments() -> int:
        return len(folder.list("_topfive/finished/"))

    run.note(make_outcome(0))
    run.note(make_outcome(1))
    assert segments() == 0
    run.note(make_outcome(2))
    assert segments() == 1
    for shard in range(3, 102):
        run.note(make_outcome(shard))
    assert segments() == 1
    run.note(make_outcome(102))
    assert segments() == 2


def test_a_folder_with_a_run_is_refused_without_resume(tmp_path: Path) -> None:
    """It is said what is there, and how to go on."""
    folder = results_in(tmp_path)
    begin(folder, 0)
    told = "holds a run of .*Z, which is not finished. Go on with it by --resume"
    with pytest.raises(BulkRefused, match=told), open_run(folder, make_plan(), resume=False):
        pass


def test_a_finished_run_is_not_said_to_go_on(tmp_path: Path) -> None:
    """Nothing is left of it to go on with: another folder is all that helps."""
    folder = results_in(tmp_path)
    begin(folder, *range(SHARDS))
    with open_run(folder, make_plan(), resume=True) as run:
        run.finish()
    with (
        pytest.raises(BulkRefused, match=r"which is finished\. Give another folder"),
        open_run(folder, make_plan(), resume=False),
    ):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """With --resume or without, nobody's files are mixed with results."""
    folder = results_in(tmp_path)
    folder.write("notes.txt", b"mine")
    for resume in (True, False):
        with (
            pytest.raises(BulkRefused, match="holds files that are of no run"),
            open_run(folder, make_plan(), resume=resume),
        ):
            pass
    assert folder.read("notes.txt") == b"mine"


def test_resume_where_nothing_is_begins(tmp_path: Path) -> None:
    """Who always gives --resume needs not know whether it is the first time."""
    with open_run(results_in(tmp_path), make_plan(), resume=True) as run:
        assert not run.is_listed


def test_a_kill_while_pictures_are_listed_begins_anew(tmp_path: Path) -> None:
    """A list that may be half written is written again."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False):
        folder.write("_topfive/inputs/000000.parquet", b"half")
    with open_run(folder, make_plan(), resume=True) as run:
        assert not run.is_listed


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    """There is nothing to do, and what it came to is known."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        do(run, *range(SHARDS))
        run.finish()
    with open_run(folder, make_plan(), resume=True) as run:
        assert run.is_finished
        assert run.manifest.totals.shards == SHARDS
        run.stop("nothing")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.state is RunState.FINISHED
    # Not where a file has been deleted since.
    folder.delete("part-000003.parquet")
    with open_run(folder, make_plan(), resume=True) as run:
        assert not run.is_finished
        assert list(run.unfinished()) == [3]


def test_why_a_run_stopped_is_kept(tmp_path: Path) -> None:
    """The manifest tells the reason; who goes on has it running again."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        run.note(write_shard(run, 0).outcome)
        run.stop("No node is left.")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert (manifest.state, manifest.reason) == (RunState.STOPPED, "No node is left.")
    assert manifest.totals.shards == 1
    with open_run(folder, make_plan(), resume=True) as run:
        assert (run.manifest.state, run.manifest.reason) == (RunState.RUNNING, "")


def test_stopping_on_a_full_disk_is_no_second_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be written any more is left, and found again by --resume."""
    folder = results_in(tmp_path)
    with open_run(folder, make_plan(), resume=False) as run:
        run.listed(PICTURES, SHARDS, "ef" * 32)
        run.note(write_shard(run, 0).outcome)

        def refuse(*_: object) -> None:
            raise BulkStopped("full")

        with monkeypatch.context() as patched:
            patched.setattr(type(folder), "write", refuse)
            patched.setattr(type(folder), "create", refuse)
            run.stop("full")
    assert unfinished(folder) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": RunModel("tiny", "2", "00", "openvino", "f32")}, "model tiny 1, not tiny 2"),
        ({"model": RunModel("tiny", "1", "00" * 32, "openvino", "f32")}, "its digest was abab"),
        ({"model": RunModel("tiny", "1", MODEL.digest, "openvino", "bf16")}, "--precision f32"),
        ({"model": RunModel("tiny", "1", MODEL.digest, "torch", "f32")}, "--engine openvino"),
        ({"format": ResultFormat.CSV}, "--format parquet, not csv"),
        ({"shard_pictures": 7}, "--shard-pictures 4, not 7"),
        ({"limits": {"max_bytes": 11}}, "its limit max_bytes was 10, not 11"),
    ],
)
def test_a_run_that_would_go_on_otherwise_is_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    """What is different is named, from what to what."""
    folder = results_in(tmp_path)
    begin(folder, 0)
    with (
        pytest.raises(BulkRefused, match=told),
        open_run(folder, make_plan(**changes), resume=True),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "damaged, or not of"),
        (b"[1]", "damaged, or not of"),
        (b"\xff\x00garbage", "damaged, or not of"),
        (b'{"format_version": 99}', "another version of topfive .layout 99, this one reads 1"),
        (b'{"format_version": 1, "run_id": 5}', "values cannot be read"),
    ],
)
def test_garbage_in_the_place_of_a_manifest_is_refused(
    tmp_path: Path, content: bytes, told: str
) -> None:
    """Neither a traceback nor a fresh start over somebody's results."""
    folder = results_in(tmp_path)
    folder.write(MANIFEST_FILE, content)
    with pytest.raises(BulkRefused, match=told), open_run(folder, make_plan(), resume=True):
        pass


def test_a_second_driver_is_refused(tmp_path: Path) -> None:
    """While one has the run, another is told so; the lock goes with its holder."""
    folder = results_in(tmp_path)
    told: list[str] = []

    def second() -> None:
        try:
            with open_run(results_in(tmp_path), make_plan(), resume=True):
                told.append("opened")
        except BulkRefused as error:
            told.append(str(error))

    with open_run(folder, make_plan(), resume=False):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    second()
    assert "Another `topfive bulk` is at work in" in told[0]
    assert told[1] == "opened"


def test_two_drivers_without_a_lock_stop_each_other(tmp_path: Path) -> None:
    """Where a folder knows no locks, the second to write notices the first, and nothing is lost."""
    folder = results_in(tmp_path)
    begin(folder, 0)
    manifest = read_manifest(folder)
    assert manifest is not None
    first, second = Run(folder, manifest), Run(folder, manifest)
    first.load()
    second.load()
    do(first, 1)
    with pytest.raises(BulkStopped, match="Another `topfive bulk` is at work"):
        do(second, 2)
    assert unfinished(folder) == [3, 4]


def test_a_segment_that_is_cut_short_loses_nothing(tmp_path: Path) -> None:
    """What it told is found by the shards' files."""
    folder = results_in(tmp_path)
    begin(folder, 0, 1)
    (segment,) = folder.list("_topfive/finished/")
    folder.write(segment.name, folder.read(segment.name)[:-5])
    with open_run(folder, make_plan(), resume=True) as run:
        assert run.damaged_files == [segment.name]
        assert list(run.unfinished()) == [2, 3, 4]
        assert run.finished_shards.totals() == run.manifest.totals != Totals()
