"""Text of CSV (RFC 4180, UTF-8) that spreadsheets take as it is meant."""

import csv
from collections.abc import Iterable
from io import StringIO

# What a spreadsheet would take for a formula: OWASP, "CSV Injection"; those of full width too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    """Write rows of cells as lines."""
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def text_cell(value: str | None) -> str:
    """Write a text; one that a spreadsheet would run is put behind an apostrophe."""
    return f"'{value}" if value and value.startswith(_FORMULA) else value or ""


def number_cell(value: float | None) -> str:
    """Write a number as Python does, which loses nothing; None is empty."""
    return "" if value is None else repr(value)
