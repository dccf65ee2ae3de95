"""Rows of a shard's file, read as columns, whichever form it has."""

import pytest

from tests.unit.bulk.report.made_run import make_rows
from topfive.bulk.report.batches import read_batches
from topfive.bulk.results.formats import ResultFormat
from topfive.bulk.results.parquet_file import encode_parquet
from topfive.bulk.results.rows import ResultRow
from topfive.bulk.results.text_files import encode_csv, encode_ndjson
from topfive.predictions import ModelRef

MODEL = ModelRef("tiny", "1.0.0")
ROWS = make_rows(300)


def encode(format: ResultFormat) -> bytes:
    """Write the rows in a form."""
    if format is ResultFormat.PARQUET:
        return encode_parquet(ROWS, MODEL, {})
    return encode_ndjson(ROWS, MODEL) if format is ResultFormat.NDJSON else encode_csv(ROWS, MODEL)


def expected(row: ResultRow, format: ResultFormat) -> dict[str, object]:
    """Tell what a report is to know of a row; NDJSON tells no times of failures, as the API."""
    best = row.classes[0] if row.classes else None
    times = row.timings
    knows_read = row.classes or format is not ResultFormat.NDJSON
    return {
        "path": row.path,
        "size_bytes": row.size_bytes,
        "format": row.image.format if row.image else None,
        "width": row.image.width if row.image else None,
        "height": row.image.height if row.image else None,
        "class_id": best.class_id if best else None,
        "class_name": best.class_name if best else None,
        "confidence": best.confidence if best else None,
        "error": row.error,
        "detail": row.detail,
        "read_ms": times.read_ms if knows_read else 0.0,
        "decode_ms": times.decode_ms + times.preprocess_ms,
        "inference_ms": times.inference_ms,
    }


@pytest.mark.parametrize("format", ResultFormat)
def test_every_form_tells_the_same(format: ResultFormat) -> None:
    """Names with line breaks, signs and writing of any kind come out as they were."""
    found = [row for batch in read_batches(encode(format), format) for row in batch.to_pylist()]
    wanted = [expected(row, format) for row in ROWS]
    if format is ResultFormat.CSV:
        for row in wanted:
            if row["class_name"] == "=1+1":
                row["class_name"] = "'=1+1"
    assert found == wanted


@pytest.mark.parametrize("format", ResultFormat)
@pytest.mark.parametrize(
    "content", [b"garbage", b"\x00" * 500, b'{"path": 1}\n', b"[1]\n", b"{}\n"]
)
def test_what_is_no_result_file_is_refused(format: ResultFormat, content: bytes) -> None:
    """A file of something else is a ValueError, whatever a library makes of it."""
    with pytest.raises(ValueError, match="it is damaged"):
        list(read_batches(content, format))


@pytest.mark.parametrize("format", ResultFormat)
def test_a_file_that_is_cut_short_is_refused(format: ResultFormat) -> None:
    """Half a row is never taken for one."""
    with pytest.raises(ValueError, match="it is damaged"):
        list(read_batches(encode(format)[:-20], format))
