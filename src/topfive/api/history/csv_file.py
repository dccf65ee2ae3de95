"""Kept predictions as CSV (RFC 4180, UTF-8), some rows at a time."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from topfive.api.history.columns import COLUMNS, Kind, in_groups
from topfive.csv_text import csv_lines, number_cell, text_cell
from topfive.history.records import KeptPrediction

_ROWS_AT_A_TIME = 200


def write_csv(rows: Iterable[KeptPrediction]) -> Iterator[bytes]:
    """Write a head of names and a line for each prediction, in pieces of some kilobytes."""
    yield csv_lines([[one.name for one in COLUMNS]])
    for some in in_groups(rows, _ROWS_AT_A_TIME):
        yield csv_lines([[write(read(kept)) for read, write in _CELLS] for kept in some])


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _moment(value: datetime | None) -> str:
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: text_cell,
    Kind.WHOLE: number_cell,
    Kind.NUMBER: number_cell,
    Kind.FLAG: _flag,
    Kind.MOMENT: _moment,
}
_CELLS = tuple((one.read, _WRITERS[one.kind]) for one in COLUMNS)
