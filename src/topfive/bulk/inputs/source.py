"""Which pictures a run is asked for, read from one text."""

import os
import stat
from dataclasses import dataclass, field
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

from topfive.bulk.inputs.buckets import parse_object
from topfive.bulk.inputs.names import TABLE_SUFFIXES, WEB_SCHEMES, scheme_of, show_name
from topfive.bulk.inputs.walking import has_wildcard
from topfive.errors import BulkRefused
from topfive.images.sniff import picture_suffixes
from topfive.stores.address import CLOUD_LIBRARIES

Kind = Literal["directory", "file", "glob", "bucket", "list", "parquet", "url"]

LINE_SUFFIXES = (b".txt", b".list")
JSON_SUFFIXES = (b".ndjson", b".jsonl")
_WHAT_IT_CAN_BE = (
    "Give a directory, a glob in quotes ('photos/**/*.jpg'), a bucket's prefix (s3://, gs://, "
    "az://), a list of names (.txt, or .ndjson of JSON strings) or a Parquet table (.parquet)."
)


@dataclass(frozen=True, slots=True)
class Source:
    """The place that names or holds the pictures.

    `place` is an absolute path, a glob of one, or an address. `shown` is without what is secret in
    an address. `column` is the table's column that is asked for; empty where none is.
    """

    kind: Kind
    place: bytes = field(repr=False)
    shown: str
    column: str = ""


def parse_source(text: str, column: str = "") -> Source:
    """Read which pictures are meant; looks no further than whether a path is a file or a folder.

    Raises BulkRefused, which says what can be given.
    """
    place = os.fsencode(text)
    if not place or b"\0" in place:
        raise BulkRefused(f"The place of the pictures has no name. {_WHAT_IT_CAN_BE}")
    look = _kind_of_address if scheme_of(place) else _kind_of_path
    kind = look(place, column)
    if column and kind != "parquet":
        raise BulkRefused(
            f"--column names a column of a Parquet table, and {show_name(place)} is none."
        )
    if not scheme_of(place):
        place = os.path.abspath(place)  # noqa: PTH100 - bytes
    return Source(kind, place, show_name(place), column)


def is_left_over(name: bytes) -> bool:
    """Tell what writers of tables leave beside them, as Spark and Hadoop have it."""
    return name.startswith((b".", b"_"))


def is_picture(name: bytes) -> bool:
    """Tell whether a file is named like a picture of a format that is accepted."""
    return _suffix(name) in _picture_suffixes()


@cache
def _picture_suffixes() -> frozenset[bytes]:
    return frozenset(one.encode() for one in picture_suffixes())


def _kind_of_address(place: bytes, column: str) -> Kind:
    scheme = scheme_of(place)
    if scheme in WEB_SCHEMES:
        if not _has_host(place):
            raise BulkRefused(f"{show_name(place)} names no web server.")
        return "url"
    if scheme not in CLOUD_LIBRARIES:
        raise BulkRefused(
            f"Nothing is read from addresses that begin with {scheme}://. {_WHAT_IT_CAN_BE}"
        )
    try:
        parse_object(place)
    except ValueError as error:
        raise BulkRefused(f"{show_name(place)} cannot be used. {error}") from error
    return _kind_of_file(place) or ("parquet" if column else "bucket")


def _has_host(place: bytes) -> bool:
    try:
        return bool(urlsplit(place).hostname)
    except ValueError:
        return False


def _kind_of_path(place: bytes, column: str) -> Kind:
    try:
        mode = os.stat(place).st_mode  # noqa: PTH116 - bytes
    except OSError as error:
        # A file may be called `a[1].jpg`: what is there comes before wildcards.
        if has_wildcard(place):
            return "parquet" if _suffix(place) in TABLE_SUFFIXES else "glob"
        raise BulkRefused(
            f"{show_name(place)} cannot be used: {error.strerror}. {_WHAT_IT_CAN_BE}"
        ) from error
    if stat.S_ISDIR(mode):
        return "parquet" if column or _holds_tables(place) else "directory"
    if not stat.S_ISREG(mode):
        raise BulkRefused(f"{show_name(place)} is a pipe or a device. {_WHAT_IT_CAN_BE}")
    kind = _kind_of_file(place) or ("file" if is_picture(place) else None)
    if kind is None:
        raise BulkRefused(
            f"{show_name(place)} is named neither like a picture nor like a list. {_WHAT_IT_CAN_BE}"
        )
    return kind


def _kind_of_file(place: bytes) -> Kind | None:
    suffix = _suffix(place)
    if suffix in LINE_SUFFIXES + JSON_SUFFIXES:
        return "list"
    return "parquet" if suffix in TABLE_SUFFIXES else None


def _suffix(name: bytes) -> bytes:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - bytes


def _holds_tables(folder: bytes) -> bool:
    """Tell a folder of tables: it holds some, and beside them no picture and no other folder."""
    found = False
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                if is_picture(one.name) or (one.is_dir() and not is_left_over(one.name)):
                    return False
                found = found or _suffix(one.name) in TABLE_SUFFIXES
    except OSError:
        # Listing it tells what is wrong.
        return False
    return found
