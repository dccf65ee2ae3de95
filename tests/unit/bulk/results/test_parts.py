"""The files of shards: what is in them, and that damage is noticed."""

import csv
import json
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.unit.bulk.results.made import REF, WORK, make_row, make_rows, make_shard, results_in
from topfive.bulk.results.digest import answers_sha256
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.parts import (
    part_name,
    part_number,
    read_indexes,
    read_part,
    write_part,
)
from topfive.bulk.results.rows import ReadTimings, ResultRow
from topfive.errors import BulkRefused

HARD_NAMES = ["a\nb.jpg", "\r.jpg", '🐈,".jpg', "=cmd|' /C calc'!A0.jpg", "x" * 5000, "\\xff.jpg"]


def written(tmp_path: Path, format: str, rows: list[ResultRow]) -> bytes:
    """Write rows as the file of a shard, and tell its content."""
    folder = results_in(tmp_path)
    part = write_part(folder, format, "run", make_shard(0), rows, REF, WORK)
    content = folder.read(part.name)
    assert part.bytes == part.outcome.file_bytes == len(content)
    return content


def test_a_parquet_file_gives_back_every_row(tmp_path: Path) -> None:
    """Rows, run, shard and outcome come back as they were written, timings included."""
    rows = [make_row(one, name) for one, name in enumerate(HARD_NAMES)]
    part = read_part(written(tmp_path, "parquet", rows))
    assert [replace(row, classes=()) for row in part.rows] == [
        replace(row, classes=()) for row in rows
    ]
    assert part.run_id == "run"
    outcome = part.outcome
    assert (outcome.shard, outcome.pictures, outcome.errors) == (0, 6, {"invalid_image": 1})
    assert (outcome.began_at, outcome.duration_s, outcome.node) == (1_700_000_000.5, 1.25, "node-1")
    assert outcome.read_bytes == sum(row.size_bytes for row in rows)
    assert outcome.answers_sha256 == answers_sha256(rows)


def test_a_parquet_file_has_a_column_for_everything(tmp_path: Path) -> None:
    """Path, size, five classes, model, error and timings are columns; what is not is null."""
    content = written(tmp_path, "parquet", [make_row(2), make_row(3)])
    first, second = parquet.read_table(BytesIO(content)).to_pylist()
    assert first["path"] == "photos/2.jpg"
    assert (first["format"], first["width"], first["height"]) == ("JPEG", 500, 375)
    assert (first["class_id_5"], first["class_5"], first["confidence_3"]) == (
        4,
        "class 4",
        0.166667,
    )
    assert (first["model"], first["version"], first["error"]) == ("tiny", "1", None)
    assert (first["read_ms"], first["decode_ms"], first["inference_ms"]) == (0.5, 1.25, 2.5)
    assert (second["error"], second["detail"]) == ("invalid_image", "It cannot be decoded.")
    assert (second["class_id_1"], second["format"], second["sha256"]) == (None, None, None)


def test_ndjson_has_the_keys_of_the_api(tmp_path: Path) -> None:
    """A line is a result of the API's batches with the picture's name, size and digest."""
    content = written(tmp_path, "ndjson", [make_row(2), make_row(3)])
    first, second = map(json.loads, content.splitlines())
    assert first["predictions"][2] == {
        "class_id": 2, "class_name": "class 2", "confidence": 0.166667,
    }  # fmt: skip
    assert first["image"] == {"format": "JPEG", "width": 500, "height": 375}
    assert first["timing_ms"] == {"read": 0.5, "decode": 2.0, "inference": 2.5}
    assert (first["index"], first["ok"], first["path"]) == (2, True, "photos/2.jpg")
    assert first["model"] == {"name": "tiny", "version": "1"}
    assert second == {
        "index": 3, "path": "photos/3.jpg", "sha256": None, "size_bytes": 7, "ok": False,
        "model": {"name": "tiny", "version": "1"},
        "error": {"code": "invalid_image", "detail": "It cannot be decoded."},
    }  # fmt: skip


def test_ndjson_is_one_line_a_picture_whatever_its_name(tmp_path: Path) -> None:
    """Names with line breaks do not make lines."""
    rows = [make_row(one, name) for one, name in enumerate(HARD_NAMES)]
    content = written(tmp_path, "ndjson", rows)
    assert [json.loads(line)["path"] for line in content.decode().split("\n")[:-1]] == HARD_NAMES


def test_csv_is_safe_for_spreadsheets_and_reads_back(tmp_path: Path) -> None:
    """A name that a spreadsheet would run is behind an apostrophe; others are as they were."""
    rows = [make_row(one, name) for one, name in enumerate(HARD_NAMES)]
    text = written(tmp_path, "csv", rows).decode()
    read = list(csv.DictReader(StringIO(text, newline="")))
    expected = list(HARD_NAMES)
    expected[1], expected[3] = f"'{expected[1]}", f"'{expected[3]}"
    assert [row["path"] for row in read] == expected
    assert (read[2]["class_id_1"], read[2]["confidence_3"], read[2]["error"]) == (
        "0", "0.166667", "",
    )  # fmt: skip
    assert (read[3]["error"], read[3]["class_1"]) == ("invalid_image", "")


@pytest.mark.parametrize("format", list(ResultFormat))
def test_indexes_are_read_of_every_form(tmp_path: Path, format: str) -> None:
    """Which pictures a file holds can be counted, whatever they are called."""
    rows = [make_row(one, name) for one, name in enumerate(HARD_NAMES)]
    assert read_indexes(written(tmp_path, format, rows), format) == list(range(6))


@pytest.mark.parametrize("format", list(ResultFormat))
def test_a_file_that_is_cut_short_is_noticed(tmp_path: Path, format: str) -> None:
    """Half a file, an empty one, and one that lacks its last bytes are none."""
    content = written(tmp_path, format, make_rows(make_shard(0)))
    for cut in (content[: len(content) // 2], content[:-1], b"" if format != "ndjson" else b"{"):
        with pytest.raises(ValueError, match="is"):
            read_indexes(cut, format)


def test_any_altered_byte_of_a_parquet_file_is_noticed_or_without_effect(tmp_path: Path) -> None:
    """No change of a byte makes a file that reads as whole and says something else."""
    content = written(tmp_path, "parquet", make_rows(make_shard(0)))
    whole = read_part(content)
    unnoticed = []
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 0x10
        try:
            part = read_part(bytes(changed))
        except ValueError:
            continue
        if (part.run_id, part.outcome.shard, part.rows) != (whole.run_id, 0, whole.rows):
            unnoticed.append(place)
    assert unnoticed == []


def test_a_file_that_is_no_part_is_refused(tmp_path: Path) -> None:
    """A Parquet file of somebody else says nothing of a run."""
    import pyarrow

    sink = BytesIO()
    parquet.write_table(pyarrow.table({"a": [1]}), sink)
    with pytest.raises(ValueError, match="not a file of this kind"):
        read_part(sink.getvalue())


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    """Which forms there are is said."""
    with pytest.raises(BulkRefused, match="parquet, ndjson, csv, not 'xml'"):
        written(tmp_path, "xml", [])


def test_names_tell_their_shard() -> None:
    """A name is made of a shard's number, and tells it; others tell none."""
    assert part_name(123, "parquet") == "part-000123.parquet"
    assert part_number(part_name(1_234_567, "csv"), "csv") == 1_234_567
    for name in ("part-000123.csv", "part-0000123.parquet", "part-12.parquet", "x/part-000123.csv"):
        assert part_number(name, "parquet") is None


def test_the_digest_is_of_answers_alone() -> None:
    """Timings do not count, nor does what is beyond six places; anything else does."""
    row = make_row(2)
    same = [
        replace(row, timings=ReadTimings(9, 9, 9, 9)),
        replace(row, classes=tuple(replace(one, confidence=one.confidence + 1e-9)
                                   for one in row.classes)),
    ]  # fmt: skip
    assert {answers_sha256([one]) for one in [row, *same]} == {answers_sha256([row])}
    others = [
        replace(row, index=1), replace(row, path="b"), replace(row, sha256=""),
        replace(row, classes=row.classes[:4]), replace(row, error="x"), replace(row, image=None),
    ]  # fmt: skip
    assert len({answers_sha256([one]) for one in [row, *others]}) == 7
    assert answers_sha256([row, make_row(3)]) != answers_sha256([make_row(3), row])
