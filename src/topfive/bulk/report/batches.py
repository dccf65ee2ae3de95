"""The rows of a shard's file, some at a time, in the few columns that a report is made of."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pyarrow
import pyarrow.compute as pc
from pyarrow import csv, json, parquet

from topfive.bulk.results.formats import ResultFormat

_ROWS = 50_000
# What is read of a table, and what it is called here: the best class alone, and no digest.
_TABLE = {
    "path": "path",
    "size_bytes": "size_bytes",
    "format": "format",
    "width": "width",
    "height": "height",
    "class_id_1": "class_id",
    "class_1": "class_name",
    "confidence_1": "confidence",
    "error": "error",
    "detail": "detail",
    "read_ms": "read_ms",
    "decode_ms": "decode_ms",
    "preprocess_ms": "preprocess_ms",
    "inference_ms": "inference_ms",
}
_WHOLE, _NUMBER, _TEXT = pyarrow.int64(), pyarrow.float64(), pyarrow.string()
_SCHEMA = pyarrow.schema(
    [
        ("path", _TEXT),
        ("size_bytes", _WHOLE),
        ("format", _TEXT),
        ("width", _WHOLE),
        ("height", _WHOLE),
        ("class_id", _WHOLE),
        ("class_name", _TEXT),
        ("confidence", _NUMBER),
        ("error", _TEXT),
        ("detail", _TEXT),
        ("read_ms", _NUMBER),
        ("decode_ms", _NUMBER),
        ("preprocess_ms", _NUMBER),
        ("inference_ms", _NUMBER),
    ]
)
_JSON_SCHEMA = pyarrow.schema(
    [
        ("path", _TEXT),
        ("size_bytes", _WHOLE),
        ("image", pyarrow.struct({"format": _TEXT, "width": _WHOLE, "height": _WHOLE})),
        (
            "predictions",
            pyarrow.list_(
                pyarrow.struct({"class_id": _WHOLE, "class_name": _TEXT, "confidence": _NUMBER})
            ),
        ),
        ("timing_ms", pyarrow.struct({"read": _NUMBER, "decode": _NUMBER, "inference": _NUMBER})),
        ("error", pyarrow.struct({"code": _TEXT, "detail": _TEXT})),
    ]
)
# What is put where a row has nothing; format, pixels and class have nothing then.
_MISSING: dict[str, Any] = {
    "size_bytes": -1,
    "error": "",
    "detail": "",
    "read_ms": 0.0,
    "decode_ms": 0.0,
    "preprocess_ms": 0.0,
    "inference_ms": 0.0,
}


def read_batches(content: bytes, format: ResultFormat) -> Iterator[Any]:
    """Read a shard's file as batches of Arrow, of the columns `path` to `inference_ms`.

    Times are in milliseconds, `decode_ms` with what NDJSON does not tell apart from it, preparing.
    Raises ValueError if it is damaged, or not such a file.
    """
    try:
        for batch in _READERS[format](content):
            yield _fill(batch)
    # Damaged files raise what the damage makes of them, OSError among others.
    except (OSError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("it is damaged, or not a file of this kind") from error


def _read_parquet(content: bytes) -> Iterator[Any]:
    file = parquet.ParquetFile(pyarrow.BufferReader(content), page_checksum_verification=True)
    for batch in file.iter_batches(_ROWS, columns=list(_TABLE)):
        yield batch.select(list(_TABLE)).rename_columns(list(_TABLE.values())).cast(_SCHEMA)


def _read_csv(content: bytes) -> Iterator[Any]:
    types = {name: _SCHEMA.field(ours).type for name, ours in _TABLE.items()}
    convert = csv.ConvertOptions(
        include_columns=list(_TABLE), column_types=types, strings_can_be_null=True,
        null_values=[""],
    )  # fmt: skip
    names = csv.ParseOptions(newlines_in_values=True)
    for batch in csv.open_csv(BytesIO(content), parse_options=names, convert_options=convert):
        yield batch.rename_columns(list(_TABLE.values()))


def _read_ndjson(content: bytes) -> Iterator[Any]:
    parse = json.ParseOptions(explicit_schema=_JSON_SCHEMA, unexpected_field_behavior="ignore")
    for batch in json.open_json(BytesIO(content), parse_options=parse):
        best = _first(batch["predictions"])
        columns = {
            "path": batch["path"],
            "size_bytes": batch["size_bytes"],
            **_fields(batch["image"], ("format", "width", "height")),
            **_fields(best, ("class_id", "class_name", "confidence")),
            "error": pc.struct_field(batch["error"], "code"),
            "detail": pc.struct_field(batch["error"], "detail"),
            "read_ms": pc.struct_field(batch["timing_ms"], "read"),
            "decode_ms": pc.struct_field(batch["timing_ms"], "decode"),
            "preprocess_ms": pyarrow.nulls(batch.num_rows, _NUMBER),
            "inference_ms": pc.struct_field(batch["timing_ms"], "inference"),
        }
        yield pyarrow.record_batch(list(columns.values()), schema=_SCHEMA)


def _first(lists: Any) -> Any:
    """Take the first of each list; nothing where there is no list, or an empty one."""
    has_any = pc.fill_null(pc.greater(pc.list_value_length(lists), 0), False)
    return lists.values.take(pc.if_else(has_any, lists.offsets[:-1], None))


def _fields(structs: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: pc.struct_field(structs, name) for name in names}


_READERS: dict[ResultFormat, Callable[[bytes], Iterator[Any]]] = {
    ResultFormat.PARQUET: _read_parquet,
    ResultFormat.CSV: _read_csv,
    ResultFormat.NDJSON: _read_ndjson,
}


def _fill(batch: Any) -> Any:
    """Put what stands for nothing where a row has nothing, and preparing into decoding."""
    if batch["path"].null_count:
        raise ValueError("a picture has no name")
    columns = {
        name: pc.fill_null(batch[name], _MISSING[name]) if name in _MISSING else batch[name]
        for name in _SCHEMA.names
    }
    columns["decode_ms"] = pc.add(columns["decode_ms"], columns.pop("preprocess_ms"))
    return pyarrow.record_batch(list(columns.values()), names=list(columns))
