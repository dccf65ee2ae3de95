"""Lists and tables, opened from a disk or a bucket."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from topfive.bulk.inputs.bucket_file import open_object
from topfive.bulk.inputs.buckets import Buckets, parse_object
from topfive.bulk.inputs.names import scheme_of, show_name
from topfive.errors import BulkRefused


def open_file(name: bytes, buckets: Buckets) -> BinaryIO:
    """Open a list or table to read it from any place in it.

    Raises BulkRefused where it cannot be opened on a disk, StoreUnreachable or StoreDenied in a
    bucket; so does what is read from it then.
    """
    if scheme_of(name):
        return open_object(buckets, parse_object(name))
    require_regular(name)
    try:
        return Path(os.fsdecode(name)).open("rb")
    except OSError as error:
        raise BulkRefused(f"{show_name(name)} cannot be read: {error.strerror}.") from error


def require_regular(path: bytes) -> None:
    """Do nothing for a regular file; raises BulkRefused for a pipe, which may wait for ever."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - bytes
    except OSError as error:
        raise BulkRefused(f"{show_name(path)} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(mode):
        raise BulkRefused(f"{show_name(path)} is not a regular file.")
