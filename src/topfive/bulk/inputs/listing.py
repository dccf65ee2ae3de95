"""From what was asked for to the pictures that are meant."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.name_lists import read_names
from topfive.bulk.inputs.names import TABLE_SUFFIXES, scheme_of
from topfive.bulk.inputs.source import JSON_SUFFIXES, Source
from topfive.bulk.inputs.tables import list_rows, show_table
from topfive.bulk.inputs.walking import GlobPattern, describe, walk
from topfive.errors import BulkRefused
from topfive.images.sniff import picture_suffixes


def list_entries(source: Source) -> Iterator[Entry]:
    """List the pictures of a source, one at a time and each time in the same order.

    Folders, globs and buckets are in the order of their names' bytes; lists and tables in their
    own. Nothing is read ahead of who asks, so BulkRefused may be raised at any entry: for a place
    that cannot be read, has no picture, or is not what it is named like.
    """
    entries = _list(source)
    first = next(entries, None)
    if first is None:
        raise BulkRefused(_say_empty(source))
    yield from chain([first], entries)


def _list(source: Source) -> Iterator[Entry]:
    match source.kind:
        case "directory":
            return _list_directory(source)
        case "glob":
            return _list_glob(source)
        case "file":
            return iter([describe(source.place)])
        case "list":
            return _list_named(source)
        case "parquet":
            return _list_tables(source)
        case "url":
            return iter([Entry(source.place)])
        case _:
            raise BulkRefused(f"{source.shown} cannot be listed yet.")


def _list_directory(source: Source) -> Iterator[Entry]:
    suffixes = frozenset(one.encode() for one in picture_suffixes())

    def wants_file(parts: list[bytes]) -> bool:
        return os.path.splitext(parts[-1])[1].lower() in suffixes  # noqa: PTH122 - bytes

    return _walk_told(source, source.place, walk(source.place, wants_file, lambda _: True))


def _list_glob(source: Source) -> Iterator[Entry]:
    pattern = GlobPattern(source.place)
    # Through `**` links to folders may lead in a circle.
    found = walk(
        pattern.folder,
        pattern.wants_file,
        pattern.wants_folder,
        follow_links=not pattern.is_deep,
    )
    return _walk_told(source, pattern.folder, found)


def _walk_told(source: Source, folder: bytes, found: Iterator[Entry]) -> Iterator[Entry]:
    try:
        yield from found
    except FileNotFoundError as error:
        raise BulkRefused(f"There is nothing at {source.shown}.") from error
    except OSError as error:
        raise BulkRefused(
            f"The folder {os.fsdecode(folder)!r} cannot be listed: {error.strerror}."
        ) from error


def _list_named(source: Source) -> Iterator[Entry]:
    as_json = source.place.lower().endswith(JSON_SUFFIXES)
    folder = os.path.dirname(source.place)  # noqa: PTH120 - bytes
    try:
        with Path(os.fsdecode(source.place)).open("rb") as file:
            yield from read_names(file, source.shown, folder, as_json=as_json)
    except OSError as error:
        raise BulkRefused(f"The list {source.shown} cannot be read: {error.strerror}.") from error


def _list_tables(source: Source) -> Iterator[Entry]:
    if scheme_of(source.place):
        raise BulkRefused(f"{source.shown} cannot be listed yet.")
    for found in _tables_of(source):
        table = show_table(found.name, f"{found.stamp}-{found.size_bytes}")
        folder = os.path.dirname(found.name)  # noqa: PTH120 - bytes
        try:
            with Path(os.fsdecode(found.name)).open("rb") as file:
                yield from list_rows(file, table, folder, source.column)
        except OSError as error:
            raise BulkRefused(
                f"The table {table.shown} cannot be read: {error.strerror}."
            ) from error


def _tables_of(source: Source) -> Iterator[Entry]:
    if not Path(os.fsdecode(source.place)).is_dir():
        return iter([describe(source.place)])

    # What begins so is left over from who writes there, as Spark and Hadoop have it.
    def wants(parts: list[bytes]) -> bool:
        return not parts[-1].startswith((b".", b"_"))

    def wants_file(parts: list[bytes]) -> bool:
        return wants(parts) and parts[-1].lower().endswith(TABLE_SUFFIXES)

    return _walk_told(source, source.place, walk(source.place, wants_file, wants))


def _say_empty(source: Source) -> str:
    what = {
        "directory": f"The folder {source.shown} holds no picture",
        "bucket": f"There is no picture below {source.shown}",
        "glob": f"No file matches {source.shown}",
        "list": f"The list {source.shown} names no picture",
        "parquet": f"The table {source.shown} has no row",
    }[source.kind]
    return f"{what}. {_endings()}" if source.kind in ("directory", "bucket") else f"{what}."


def _endings() -> str:
    return f"Pictures end with {', '.join(sorted(picture_suffixes()))}."
