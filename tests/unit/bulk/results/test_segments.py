"""Segments: what was appended is read again, in blocks where there are many."""

from pathlib import Path

import pytest

from tests.unit.bulk.results.made import make_outcome, results_in
from topfive.bulk.results.contract import ResultsFolder
from topfive.bulk.results.segments import SegmentLog, decode_segment, encode_segment
from topfive.errors import BulkStopped


def append(folder: ResultsFolder, first: int, count: int) -> None:
    """Go on with a log, with a segment for each shard."""
    log = SegmentLog(folder, "run", "driver")
    list(log.read())
    for shard in range(first, first + count):
        log.append([make_outcome(shard)])


def read(folder: ResultsFolder) -> list[int]:
    """Tell the shards of a log, in its order."""
    return [outcome.shard for outcome in SegmentLog(folder, "run", "driver").read()]


def test_a_segment_holds_all_of_an_outcome() -> None:
    """Outcomes come back as they were, errors and node included."""
    outcomes = [make_outcome(3, errors={"invalid_image": 2}, node="a\nb"), make_outcome(4)]
    assert decode_segment(encode_segment("run", "driver", outcomes), "run") == outcomes


@pytest.mark.parametrize("cut", [0, 1, 10, 150, -1])
def test_a_segment_that_is_cut_short_is_none(cut: int) -> None:
    """However much is missing."""
    content = encode_segment("run", "driver", [make_outcome(1), make_outcome(2)])
    with pytest.raises(ValueError, match=r".*"):
        decode_segment(content[:cut], "run")


def test_an_altered_segment_or_one_of_another_run_is_none() -> None:
    """A digit that changes, or the run's id, is noticed."""
    content = encode_segment("run", "driver", [make_outcome(1)])
    with pytest.raises(ValueError, match="cut short or altered"):
        decode_segment(content.replace(b'"shard":1', b'"shard":2'), "run")
    with pytest.raises(ValueError, match="of another run"):
        decode_segment(content, "other")
    with pytest.raises(ValueError, match="no list of finished shards"):
        decode_segment(b"[]\n", "run")


def test_a_log_is_read_in_the_order_it_was_written(tmp_path: Path) -> None:
    """Also over several drivers, and where full blocks are read instead of their segments."""
    folder = results_in(tmp_path)
    for first in range(0, 250, 50):
        append(folder, first, 50)
    blocks = [one.name for one in folder.list("_topfive/finished/blocks/")]
    assert blocks == [f"_topfive/finished/blocks/00000{block}.ndjson" for block in range(2)]
    assert read(folder) == list(range(250))
    # Of blocks the segments are not read.
    folder.delete(*(one.name for one in folder.list("_topfive/finished/000000/")))
    assert read(folder) == list(range(250))


def test_a_block_that_a_kill_prevented_is_written_by_the_next(tmp_path: Path) -> None:
    """A hundred segments without their block are read, and become one."""
    folder = results_in(tmp_path)
    append(folder, 0, 100)
    folder.delete("_topfive/finished/blocks/000000.ndjson")
    assert read(folder) == list(range(100))
    assert folder.exists("_topfive/finished/blocks/000000.ndjson")
    append(folder, 100, 1)
    assert read(folder) == list(range(101))


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_of_a_damaged_block_the_segments_are_read(tmp_path: Path, content: bytes | None) -> None:
    """A block that is gone or damaged costs time alone."""
    folder = results_in(tmp_path)
    append(folder, 0, 210)
    name = "_topfive/finished/blocks/000000.ndjson"
    folder.delete(name)
    if content:
        folder.write(name, content)
    assert read(folder) == list(range(210))


def test_damaged_segments_are_left_out_and_named(tmp_path: Path) -> None:
    """The others count, and what is appended next takes no name that is there."""
    folder = results_in(tmp_path)
    append(folder, 0, 5)
    folder.write("_topfive/finished/000000/000004.ndjson", b"\x00")
    log = SegmentLog(folder, "run", "driver")
    assert [one.shard for one in log.read()] == [0, 1, 2, 3]
    assert log.damaged == ["_topfive/finished/000000/000004.ndjson"]
    log.append([make_outcome(9)])
    assert read(folder) == [0, 1, 2, 3, 9]


def test_files_of_others_between_segments_are_no_segments(tmp_path: Path) -> None:
    """A file that somebody put there changes nothing."""
    folder = results_in(tmp_path)
    append(folder, 0, 2)
    folder.write("_topfive/finished/000000/notes.txt", b"mine")
    folder.write("_topfive/finished/blocks/notes.txt", b"mine")
    assert read(folder) == [0, 1]
    append(folder, 2, 1)
    assert read(folder) == [0, 1, 2]


def test_a_repeated_request_of_ones_own_is_no_other_driver(tmp_path: Path) -> None:
    """A segment that is there with the same content was written by us."""
    folder = results_in(tmp_path)
    folder.write(
        "_topfive/finished/000000/000000.ndjson",
        encode_segment("run", "driver", [make_outcome(0)]),
    )
    SegmentLog(folder, "run", "driver").append([make_outcome(0)])
    with pytest.raises(BulkStopped, match="Another"):
        SegmentLog(folder, "run", "other").append([make_outcome(0)])
    assert read(folder) == [0]
