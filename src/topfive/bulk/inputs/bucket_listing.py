"""The pictures and tables of a bucket, in the order of their names."""

from collections.abc import Iterator
from itertools import chain

from topfive.bulk.inputs.buckets import Buckets, ObjectName, parse_object
from topfive.bulk.inputs.entries import Entry
from topfive.bulk.inputs.names import TABLE_SUFFIXES
from topfive.bulk.inputs.source import is_left_over, is_picture
from topfive.bulk.inputs.walking import GlobPattern, has_wildcard


def list_bucket(place: bytes, buckets: Buckets) -> Iterator[Entry]:
    """List the pictures below an address, or the objects that it means as a glob.

    `s3://bucket/photos` is what lies below `photos/`, or the object of that name where nothing
    does; `s3://bucket/photos/2026-*` are all objects so named. Raises BulkRefused.
    """
    name = parse_object(place)
    if has_wildcard(name.key.encode()):
        return _list_matching(name, buckets)
    return (one for one in _list_below(name, buckets) if is_picture(one.name))


def list_bucket_tables(place: bytes, buckets: Buckets) -> Iterator[Entry]:
    """List the table at an address, or the tables below it; raises BulkRefused."""
    name = parse_object(place)
    if has_wildcard(name.key.encode()):
        return _list_matching(name, buckets)
    if place.lower().endswith(TABLE_SUFFIXES):
        return _list_itself(name, buckets)
    return (
        one
        for one in _list_below(name, buckets)
        if one.name.lower().endswith(TABLE_SUFFIXES)
        and not any(map(is_left_over, one.name[len(place) :].split(b"/")))
    )


def _list_below(name: ObjectName, buckets: Buckets) -> Iterator[Entry]:
    prefix = f"{name.key.rstrip('/')}/" if name.key else ""
    below = _list(name, prefix, buckets)
    first = next(below, None)
    if first is not None:
        return chain([first], below)
    return _list_itself(name, buckets)


def _list_itself(name: ObjectName, buckets: Buckets) -> Iterator[Entry]:
    found = _list(name, name.key, buckets) if name.key else iter(())
    # No other key is before it.
    return (one for one in [next(found, None)] if one and one.name == name.shown.encode())


def _list_matching(name: ObjectName, buckets: Buckets) -> Iterator[Entry]:
    pattern = GlobPattern(b"/" + name.key.encode())
    address = f"{name.scheme}://{name.bucket}".encode()
    top = address + pattern.folder.rstrip(b"/") + b"/"
    for one in _list(name, pattern.start[1:].decode("utf-8", "ignore"), buckets):
        if pattern.wants_file(one.name[len(top) :].split(b"/")):
            yield one


def _list(name: ObjectName, prefix: str, buckets: Buckets) -> Iterator[Entry]:
    for one in buckets.list_objects(ObjectName(name.scheme, name.bucket, prefix)):
        # What ends so stands for a folder, as consoles make them.
        if not one.key.endswith("/"):
            found = ObjectName(name.scheme, name.bucket, one.key)
            yield Entry(found.shown.encode(), one.size_bytes, one.stamp)
