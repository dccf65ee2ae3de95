"""A shard's results as a Parquet file, which says of which run and shard it is."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow
from pyarrow import parquet

from topfive.bulk.results.columns import COLUMNS, Kind, row_of
from topfive.bulk.results.rows import ResultRow
from topfive.predictions import ModelRef

_TYPES = {
    Kind.TEXT: pyarrow.string(),
    Kind.WHOLE: pyarrow.int32(),
    Kind.LARGE: pyarrow.int64(),
    Kind.NUMBER: pyarrow.float64(),
}
_KEY = b"topfive"
SCHEMA = pyarrow.schema([(one.name, _TYPES[one.kind]) for one in COLUMNS])


def encode_parquet(
    rows: Sequence[ResultRow], model: ModelRef, metadata: Mapping[str, Any]
) -> bytes:
    """Write rows as one file; `metadata` is what JSON can say. Pages have checksums."""
    schema = SCHEMA.with_metadata({_KEY: json.dumps(metadata).encode()})
    arrays = [
        pyarrow.array([one.read(row, model) for row in rows], _TYPES[one.kind]) for one in COLUMNS
    ]
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table(arrays, schema=schema)
    parquet.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def decode_parquet(content: bytes) -> tuple[dict[str, Any], list[ResultRow]]:
    """Read a file's metadata and rows; raises ValueError if it is not whole, or no such file."""
    try:
        file = parquet.ParquetFile(pyarrow.BufferReader(content), page_checksum_verification=True)
        if file.schema_arrow.remove_metadata() != SCHEMA:
            raise ValueError("it has other columns")
        metadata = json.loads(file.schema_arrow.metadata[_KEY])
        rows = [row_of(values) for values in file.read().to_pylist()]
    # Damaged files raise what the damage makes of them.
    except (pyarrow.ArrowException, OSError, LookupError, TypeError, ValueError) as error:
        raise ValueError("it is damaged, or not a file of this kind") from error
    if not isinstance(metadata, dict):
        raise ValueError("it does not say of which run it is")  # noqa: TRY004 - of a file
    return metadata, rows
