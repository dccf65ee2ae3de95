"""Parquet tables of pictures: which column has their bytes or names, and what rows there are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.names import TableRow, resolve_name, show_name
from topfive.errors import BulkRefused

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """One Parquet file: its name, how it is shown, and what tells a change of it."""

    name: bytes
    shown: str
    stamp: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can hold pictures: `image`, or `image.bytes` within another."""

    name: str
    has_bytes: bool


def list_rows(file: BinaryIO, table: Table, folder: bytes, wanted: str) -> Iterator[Entry]:
    """List the pictures of a table, in the order of its rows.

    Where the column has bytes, an entry is the row; where it has names, what is named, from
    `folder` where that is relative. A row without a name is listed as the row, so that it is
    counted. Raises BulkRefused if it is no such table.
    """
    with told(table.shown):
        parquet = pq.ParquetFile(file)
    column = choose_column(parquet.schema_arrow, wanted, table.shown)
    if column.has_bytes:
        for number in range(parquet.metadata.num_rows):
            yield Entry(TableRow(table.name, column.name, number).name, -1, table.stamp)
    else:
        yield from _list_names(parquet, table, folder, column.name)


def _list_names(
    parquet: pq.ParquetFile, table: Table, folder: bytes, column: str
) -> Iterator[Entry]:
    batches = parquet.iter_batches(_ROWS_AT_ONCE, columns=[column], use_threads=False)
    first = 0
    while (names := _next_names(batches, table.shown)) is not None:
        for number, name in enumerate(names, first):
            if name and b"\0" not in name:
                yield Entry(resolve_name(name, folder))
            else:
                yield Entry(TableRow(table.name, column, number).name, -1, table.stamp)
        first += len(names)


def _next_names(batches: Iterator[pa.RecordBatch], shown: str) -> list[bytes | None] | None:
    with told(shown):
        batch = next(batches, None)
    if batch is None:
        return None
    # Bytes, since a writer may have put anything into its strings.
    found: list[bytes | None] = pick(batch).cast(pa.large_binary()).to_pylist()
    return found


def pick(batch: pa.RecordBatch) -> pa.Array:
    """Take a column out of a batch that has it alone, or the only field of a struct."""
    array = batch.column(0)
    if not pa.types.is_struct(array.type):
        return array
    # Where the struct itself is null, so is what it holds.
    return array.flatten()[0]


def choose_column(schema: pa.Schema, wanted: str, shown: str) -> Column:
    """Choose the column of pictures: the one that is wanted, else the only one that can be.

    Bytes come before names. Raises BulkRefused, which lists the columns there are.
    """
    columns = _columns_of(schema)
    fitting = [one for one in columns if _is_meant(one.name, wanted)] if wanted else columns
    for has_bytes in (True, False):
        found = [one for one in fitting if one.has_bytes is has_bytes]
        if len(found) == 1:
            return found[0]
        if found:
            break
    names = ", ".join(f"{field.name} ({field.type})" for field in schema)
    if wanted:
        problem = f"has no column {wanted!r} of pictures' bytes or names"
    elif fitting:
        problem = "has several columns that may be pictures; name one with --column"
    else:
        problem = "has no column of pictures' bytes or names"
    raise BulkRefused(f"{shown} {problem}. Its columns: {names or 'none'}.")


def _is_meant(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}.")


def _columns_of(schema: pa.Schema) -> list[Column]:
    found = []
    for field in schema:
        found.append((field.name, field.type))
        if pa.types.is_struct(field.type):
            found += [(f"{field.name}.{one.name}", one.type) for one in field.type]
    return [
        Column(name, _has_bytes(kind))
        for name, kind in found
        if _has_bytes(kind) or _has_text(kind)
    ]


def _has_bytes(kind: pa.DataType) -> bool:
    return kind in (pa.binary(), pa.large_binary())


def _has_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string())


@contextmanager
def told(shown: str) -> Iterator[None]:
    """Say in plain words that a table cannot be read."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it is damaged"
        raise BulkRefused(f"The table {shown} cannot be read: {reason}.") from error
    except (pa.ArrowException, ValueError) as error:
        raise BulkRefused(
            f"{shown} is no whole Parquet file. Write it again, or leave it out."
        ) from error


def show_table(name: bytes, stamp: str) -> Table:
    """Describe a table by its name."""
    return Table(name, show_name(name), stamp)
