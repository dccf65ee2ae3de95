"""Rows of Parquet tables, read forward: a shard's rows lie one behind the other."""

import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.bulk.inputs.buckets import IF_STOPPED, Buckets
from topfive.bulk.inputs.names import TableRow, scheme_of, show_name
from topfive.bulk.inputs.opening import open_file, require_regular
from topfive.bulk.inputs.tables import pick, told
from topfive.bulk.inputs.unreadable import Unreadable
from topfive.errors import BulkRefused, BulkStopped, StoreDenied, StoreUnreachable

_ROWS_AT_ONCE = 16
_BUFFER_BYTES = 1024 * 1024


class _OpenColumn:
    """One column of one table, and the few rows of it that were read last."""

    def __init__(self, file: BinaryIO | str, column: str) -> None:
        self._parquet = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        self._column = column
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._held: dict[int, pa.Scalar] = {}
        self._next = -1
        self._end = -1

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()

    def read(self, row: int) -> pa.Scalar | None:
        """Read a row; None if the table has no such."""
        if row in self._held:
            return self._held[row]
        if not self._next <= row < self._end and not self._seek(row):
            return None
        while row not in self._held and self._advance():
            pass
        return self._held.get(row)

    def _seek(self, row: int) -> bool:
        first = 0
        for group in range(self._parquet.metadata.num_row_groups):
            rows = self._parquet.metadata.row_group(group).num_rows
            if first <= row < first + rows:
                self._begin(group, first, rows)
                return True
            first += rows
        return False

    def _begin(self, group: int, first: int, rows: int) -> None:
        self._next, self._end = first, first + rows
        self._held = {}
        self._batches = self._parquet.iter_batches(
            _ROWS_AT_ONCE, row_groups=[group], columns=[self._column], use_threads=False
        )

    def _advance(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        # Threads that read ahead may ask for the rows just before.
        oldest = self._next - 2 * _ROWS_AT_ONCE
        self._held = {number: one for number, one in self._held.items() if number >= oldest}
        self._held |= dict(enumerate(pick(batch), self._next))
        self._next += len(batch)
        return True


class TableCursor:
    """The column that is being read; for one thread at a time."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._key: tuple[bytes, str] | None = None
        self._open: _OpenColumn | None = None

    def read(self, row: TableRow) -> bytes:
        """Read the bytes in one row.

        Raises Unreadable; BulkStopped if the bucket that the table is in cannot be reached.
        """
        shown = show_name(row.table)
        try:
            with told(shown):
                found = self._column(row).read(row.row)
        except (BulkRefused, StoreDenied) as error:
            self.close()
            raise Unreadable(str(error)) from error
        except StoreUnreachable as error:
            self.close()
            raise BulkStopped(f"{error} {IF_STOPPED}") from error
        if found is None:
            raise Unreadable(f"{shown} has no such row.")
        content = found.as_py()
        if not isinstance(content, bytes):
            raise Unreadable("This row of the table is empty.")
        return content

    def _column(self, row: TableRow) -> _OpenColumn:
        key = row.table, row.column
        if self._open is None or key != self._key:
            self.close()
            self._open, self._key = _OpenColumn(self._file(row.table), row.column), key
        return self._open

    def _file(self, table: bytes) -> BinaryIO | str:
        if scheme_of(table):
            return open_file(table, self._buckets)
        require_regular(table)
        # Its own way to files is faster than ours.
        return os.fsdecode(table)

    def close(self) -> None:
        """Close the table that is open, if any."""
        if self._open is not None:
            self._open.close()
        self._open = self._key = None
