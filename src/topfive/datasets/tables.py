"""A CSV of photos: `file`, and `class`, `class_name` or `class_id`, and at will `part`."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from topfive.datasets.dataset import Part
from topfive.datasets.listing import PARTS, ListedPhoto, Listing, refuse

SUFFIXES = frozenset({".csv", ".tsv"})
_DELIMITERS = (",", ";", "\t")
_NAME_COLUMNS = ("class_name", "class", "label")
_PART_COLUMNS = ("part", "split")

# What one line says, by column.
_Row = dict[str, str]


def list_table(table: Path) -> Listing:
    """List the photos of a CSV, in its order; files are relative to the folder it lies in.

    Columns are parted by commas, semicolons or tabs; others than those that are known are left
    alone. Raises DatasetRefused if it is no such table.
    """
    photos, problems = [], []
    for number, row in _rows(table):
        where = f"{table} line {number}"
        try:
            photos.append(_read_row(row, table.parent, where))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    return Listing(table, tuple(photos), tuple(problems))


def _rows(table: Path) -> Iterator[tuple[int, _Row]]:
    text = _read_text(table)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        columns = [one.strip().lower() for one in next(reader, [])]
        _check_columns(table, columns)
        for cells in reader:
            if any(cells):
                padded = [*cells, *[""] * (len(columns) - len(cells))]
                yield reader.line_num, dict(zip(columns, map(str.strip, padded), strict=False))
    except csv.Error as error:
        refuse(table, [f"line {reader.line_num} is no CSV: {error}."])


def _read_text(table: Path) -> str:
    if not table.is_file():
        # Reading a pipe may wait for ever.
        refuse(table, ["it is not a regular file."])
    try:
        # Spreadsheets begin a CSV with a byte order mark.
        return table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        refuse(table, [f"it cannot be read: {error.strerror}."])
    except UnicodeDecodeError:
        refuse(table, ["it is not UTF-8 text. Save it as a CSV in UTF-8."])
    return ""


def _check_columns(table: Path, columns: list[str]) -> None:
    if "file" not in columns or not {*_NAME_COLUMNS, "class_id"} & set(columns):
        problem = (
            f"its first line is {','.join(columns)[:100]!r}. It needs the columns file, and class, "
            "class_name or class_id; and can have part: train, validation or held_out."
        )
        refuse(table, [problem])


def _read_row(row: _Row, folder: Path, where: str) -> ListedPhoto:
    file, name = row["file"], _first(row, _NAME_COLUMNS)
    class_id = _read_class_id(row.get("class_id", ""))
    if not file:
        raise ValueError("it names no file.")
    if not name and class_id is None:
        raise ValueError(f"{file} has no class.")
    return ListedPhoto(
        path=folder / file,
        where=f"{where}, {file}",
        class_name=name or None,
        class_id=class_id,
        part=_read_part(_first(row, _PART_COLUMNS)),
    )


def _first(row: _Row, columns: tuple[str, ...]) -> str:
    return next((row[one] for one in columns if row.get(one)), "")


def _read_class_id(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"the class_id {text[:20]!r} is not a whole number from 0 on.")
    return int(text[:20])


def _read_part(text: str) -> Part | None:
    if not text:
        return None
    if text.lower() not in PARTS:
        raise ValueError(f"the part {text[:40]!r} is not train, validation or held_out.")
    return PARTS[text.lower()]
