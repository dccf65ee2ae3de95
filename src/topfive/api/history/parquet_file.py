"""Kept predictions as Parquet, a row group at a time; needs pyarrow, which is optional."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from io import BytesIO, RawIOBase
from typing import Any

from topfive.api.history.columns import COLUMNS, Kind, in_groups
from topfive.errors import NotAcceptable
from topfive.history.records import KeptPrediction

# Its values are in memory twice; a group for fewer rows makes the file larger.
_ROWS_IN_GROUP = 5000


def require_pyarrow() -> None:
    """Do nothing where pyarrow is installed; raises NotAcceptable with what to install."""
    if find_spec("pyarrow") is None:
        raise NotAcceptable(
            "Parquet needs pyarrow, which is not installed here. Ask for format=csv, or install "
            "it beside the service: pip install -r requirements-parquet.txt"
        )


def write_parquet(rows: Iterable[KeptPrediction]) -> Iterator[bytes]:
    """Write a file, in a piece for each group of rows and one for its end."""
    # It takes a third of a second and tens of megabytes, of whoever exports this alone.
    import pyarrow  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    types = {
        Kind.TEXT: pyarrow.string(),
        Kind.WHOLE: pyarrow.int32(),
        Kind.NUMBER: pyarrow.float64(),
        Kind.FLAG: pyarrow.bool_(),
        Kind.MOMENT: pyarrow.timestamp("us", "UTC"),
    }
    schema = pyarrow.schema([(one.name, types[one.kind]) for one in COLUMNS])
    written = _Written()
    with parquet.ParquetWriter(written, schema, compression="zstd") as writer:
        for some in in_groups(rows, _ROWS_IN_GROUP):
            writer.write_batch(pyarrow.record_batch(_arrays(pyarrow, schema, some), schema=schema))
            yield written.take()
    yield written.take()


def _arrays(pyarrow: Any, schema: Any, rows: tuple[KeptPrediction, ...]) -> list[Any]:
    return [
        pyarrow.array([column.read(kept) for kept in rows], field.type)
        for column, field in zip(COLUMNS, schema, strict=True)
    ]


class _Written(RawIOBase):
    """A file of which what is written is taken away piece by piece."""

    def __init__(self) -> None:
        self._piece = BytesIO()
        self._taken_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._piece.write(data)

    def tell(self) -> int:
        return self._taken_bytes + self._piece.tell()

    def take(self) -> bytes:
        """Take what was written since the last time."""
        piece, self._piece = self._piece.getvalue(), BytesIO()
        self._taken_bytes += len(piece)
        return piece
