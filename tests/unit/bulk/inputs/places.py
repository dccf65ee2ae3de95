"""Folders, lists and tables of pictures for tests, and what comes of them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.listing import list_entries
from topfive.bulk.inputs.reading import Unreadable, open_reader
from topfive.bulk.inputs.source import parse_source
from topfive.images.limits import ImageLimits


def fill(folder: Path, names: Iterable[str]) -> Path:
    """Write files that hold their own names, folders included."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))
    return folder


def entries_of(place: object, column: str = "") -> list[Entry]:
    """List what a place as an operator types it means."""
    return list(list_entries(parse_source(str(place), column)))


def names_in(folder: Path, place: object, column: str = "") -> list[str]:
    """List names below a folder, as the operating system's text."""
    top = f"{folder}/".encode()
    return [
        one.name.removeprefix(top).decode("utf-8", "surrogateescape")
        for one in entries_of(place, column)
    ]


def contents(entries: Iterable[Entry], max_bytes: int = 1000) -> list[bytes | str]:
    """Read pictures; what cannot be read is why."""
    reader = open_reader(ImageLimits(max_bytes=max_bytes))
    found: list[bytes | str] = []
    for entry in entries:
        try:
            found.append(reader.read(entry))
        except Unreadable as error:
            found.append(error.detail)
    return found


def write_table(path: Path, columns: Mapping[str, Any], rows_a_group: int = 20) -> Path:
    """Write a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(columns)), path, row_group_size=rows_a_group)
    return path


def write_json_lines(path: Path, values: Iterable[object]) -> Path:
    """Write a JSON value a line."""
    path.write_text("".join(json.dumps(one) + "\n" for one in values), "utf-8")
    return path
