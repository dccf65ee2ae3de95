"""A list of pictures' names that somebody wrote: one a line, or a JSON string a line."""

import json
import os
from collections.abc import Iterator
from typing import BinaryIO

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.names import resolve_name
from topfive.errors import BulkRefused

# The longest line: an address, with every byte of it escaped.
_MOST_LINE_BYTES = 65_536
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_names(file: BinaryIO, shown: str, folder: bytes, *, as_json: bool) -> Iterator[Entry]:
    """List what a file names, in its order; relative names are from `folder`.

    Empty lines are left out, and nothing is looked up. Raises BulkRefused if it is no such list.
    """
    for number, line in _read_lines(file, shown):
        name = _parse_json(line, f"{shown} line {number}") if as_json else line
        if name:
            _check(name, f"{shown} line {number}")
            yield Entry(resolve_name(name, folder))


def _read_lines(file: BinaryIO, shown: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(_MOST_LINE_BYTES + 1):
        number += 1
        if len(line) > _MOST_LINE_BYTES:
            raise BulkRefused(
                f"{shown} line {number} is longer than {_MOST_LINE_BYTES:,} bytes: it is no list "
                "of names, one a line."
            )
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def _parse_json(line: bytes, where: str) -> bytes:
    if not line.strip():
        return b""
    try:
        name = json.loads(line)
    except (ValueError, RecursionError):
        name = None
    if not isinstance(name, str):
        raise BulkRefused(f'{where} is no JSON string, as in "photos/cat.jpg".')
    try:
        # Bytes that are no UTF-8 are written as Python does, "\udcff".
        return os.fsencode(name)
    except UnicodeEncodeError as error:
        raise BulkRefused(f"{where} has half of a character.") from error


def _check(name: bytes, where: str) -> None:
    if b"\0" in name:
        raise BulkRefused(f"{where} has a zero byte: it names no file.")
