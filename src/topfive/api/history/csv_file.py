"""Kept predictions as CSV (RFC 4180, UTF-8), some rows at a time."""

import csv
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from topfive.api.history.columns import COLUMNS, Kind, in_groups
from topfive.history.records import KeptPrediction

_ROWS_AT_A_TIME = 200
# What a spreadsheet would take for a formula: OWASP, "CSV Injection"; those of full width too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def write_csv(rows: Iterable[KeptPrediction]) -> Iterator[bytes]:
    """Write a head of names and a line for each prediction, in pieces of some kilobytes."""
    yield _lines([[one.name for one in COLUMNS]])
    for some in in_groups(rows, _ROWS_AT_A_TIME):
        yield _lines([[write(read(kept)) for read, write in _CELLS] for kept in some])


def _lines(rows: list[list[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _text(value: str | None) -> str:
    """Write a text; one that a spreadsheet would run is put behind an apostrophe."""
    return f"'{value}" if value and value.startswith(_FORMULA) else value or ""


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _moment(value: datetime | None) -> str:
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _text,
    Kind.WHOLE: _number,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.MOMENT: _moment,
}
_CELLS = tuple((one.read, _WRITERS[one.kind]) for one in COLUMNS)
