"""A shard's results as NDJSON, with the API's keys, and as CSV, with the columns of Parquet."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Any

from topfive.bulk.results.columns import COLUMNS, Kind
from topfive.bulk.results.rows import ResultRow
from topfive.csv_text import csv_lines, number_cell, text_cell
from topfive.predictions import ModelRef

_CELLS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: text_cell,
    Kind.WHOLE: number_cell,
    Kind.LARGE: number_cell,
    Kind.NUMBER: number_cell,
}


def encode_ndjson(rows: Sequence[ResultRow], model: ModelRef) -> bytes:
    """Write a line of JSON for each row, as the API's batches do, with the picture's name."""
    named = {"name": model.name, "version": model.version}
    lines = (json.dumps(_object(row, named), ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def encode_csv(rows: Sequence[ResultRow], model: ModelRef) -> bytes:
    """Write the columns' names and a line for each row."""
    head = [one.name for one in COLUMNS]
    return csv_lines(
        [head, *([_CELLS[one.kind](one.read(row, model)) for one in COLUMNS] for row in rows)]
    )


def ndjson_indexes(content: bytes) -> Iterator[int]:
    """Read the index of each line; raises ValueError if one cannot be read."""
    if content and not content.endswith(b"\n"):
        raise ValueError("its last line is cut short")
    for line in content.splitlines():
        try:
            yield int(json.loads(line)["index"])
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError("a line is no result") from error


def csv_indexes(content: bytes) -> Iterator[int]:
    """Read the index of each line; raises ValueError if one cannot be read."""
    if not content.endswith(b"\r\n"):
        raise ValueError("its last line is cut short")
    rows = csv.DictReader(StringIO(content.decode(), newline=""))
    for row in rows:
        if None in row.values() or None in row:
            raise ValueError("a line is no result")
        yield int(row["index"])


def _object(row: ResultRow, model: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "index": row.index,
        "path": row.path,
        "sha256": row.sha256 or None,
        "size_bytes": row.size_bytes if row.size_bytes >= 0 else None,
        "ok": not row.error,
        "model": model,
    }
    return told | (_error(row) if row.error else _prediction(row))


def _error(row: ResultRow) -> dict[str, Any]:
    return {"error": {"code": row.error, "detail": row.detail}}


def _prediction(row: ResultRow) -> dict[str, Any]:
    image, timings = row.image, row.timings
    return {
        "predictions": [
            {
                "class_id": one.class_id,
                "class_name": one.class_name,
                "confidence": round(one.confidence, 6),
            }
            for one in row.classes
        ],
        "image": {"format": image.format, "width": image.width, "height": image.height}
        if image
        else None,
        "timing_ms": {
            "read": round(timings.read_ms, 2),
            # The API's word holds both.
            "decode": round(timings.decode_ms + timings.preprocess_ms, 2),
            "inference": round(timings.inference_ms, 2),
        },
    }
