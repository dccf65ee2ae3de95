"""From what was asked for to the pictures that are meant."""

import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from topfive.bulk.inputs.bucket_listing import list_bucket, list_bucket_tables
from topfive.bulk.inputs.buckets import Buckets
from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.name_lists import read_names
from topfive.bulk.inputs.names import TABLE_SUFFIXES, scheme_of
from topfive.bulk.inputs.opening import open_file
from topfive.bulk.inputs.source import JSON_SUFFIXES, Kind, Source, is_left_over, is_picture
from topfive.bulk.inputs.tables import list_rows, show_table
from topfive.bulk.inputs.walking import GlobPattern, describe, has_wildcard, walk
from topfive.errors import BulkRefused, StoreUnreachable
from topfive.images.sniff import picture_suffixes


def list_entries(source: Source) -> Iterator[Entry]:
    """List the pictures of a source, one at a time and each time in the same order.

    Folders, globs and buckets are in the order of their names' bytes; lists and tables in their
    own. Nothing is read ahead of who asks, so BulkRefused may be raised at any entry: for a place
    that cannot be read, has no picture, or is not what it is named like.
    """
    entries = _LISTERS[source.kind](source, Buckets())
    try:
        first = next(entries, None)
        if first is None:
            raise BulkRefused(_say_empty(source))
        yield from chain([first], entries)
    except StoreUnreachable as error:
        raise BulkRefused(str(error)) from error


def _list_one(source: Source, _buckets: Buckets) -> Iterator[Entry]:
    return iter([Entry(source.place) if scheme_of(source.place) else describe(source.place)])


def _list_directory(source: Source, _buckets: Buckets) -> Iterator[Entry]:
    def wants_file(parts: list[bytes]) -> bool:
        return is_picture(parts[-1])

    return _walk_told(source, source.place, walk(source.place, wants_file, lambda _: True))


def _list_glob(source: Source, _buckets: Buckets) -> Iterator[Entry]:
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


def _list_named(source: Source, buckets: Buckets) -> Iterator[Entry]:
    as_json = source.place.lower().endswith(JSON_SUFFIXES)
    with open_file(source.place, buckets) as file:
        try:
            yield from read_names(file, source.shown, _folder_of(source.place), as_json=as_json)
        except OSError as error:
            raise BulkRefused(
                f"The list {source.shown} cannot be read: {error.strerror}."
            ) from error


def _list_tables(source: Source, buckets: Buckets) -> Iterator[Entry]:
    for found in _tables_of(source, buckets):
        table = show_table(found.name, f"{found.stamp}-{found.size_bytes}")
        with open_file(found.name, buckets) as file:
            yield from list_rows(file, table, _folder_of(found.name), source.column)


def _tables_of(source: Source, buckets: Buckets) -> Iterator[Entry]:
    if scheme_of(source.place):
        return list_bucket_tables(source.place, buckets)
    path = Path(os.fsdecode(source.place))
    if not path.is_dir():
        is_glob = has_wildcard(source.place) and not path.exists()
        return _list_glob(source, buckets) if is_glob else iter([describe(source.place)])

    def wants(parts: list[bytes]) -> bool:
        return not is_left_over(parts[-1])

    def wants_file(parts: list[bytes]) -> bool:
        return wants(parts) and parts[-1].lower().endswith(TABLE_SUFFIXES)

    return _walk_told(source, source.place, walk(source.place, wants_file, wants))


def _folder_of(name: bytes) -> bytes:
    return os.path.dirname(name)  # noqa: PTH120 - bytes


def _say_empty(source: Source) -> str:
    match source.kind:
        case "directory" | "bucket":
            endings = ", ".join(sorted(picture_suffixes()))
            return (
                f"{source.shown} holds no picture. Pictures end with {endings}. Of pictures in "
                "Parquet tables name the column, with --column."
            )
        case "glob":
            return f"No file matches {source.shown}."
        case "list":
            return f"The list {source.shown} names no picture."
        case _:
            return f"There is no table with a row at {source.shown}."


_LISTERS: dict[Kind, Callable[[Source, Buckets], Iterator[Entry]]] = {
    "directory": _list_directory,
    "glob": _list_glob,
    "file": _list_one,
    "url": _list_one,
    "bucket": lambda source, buckets: list_bucket(source.place, buckets),
    "list": _list_named,
    "parquet": _list_tables,
}
