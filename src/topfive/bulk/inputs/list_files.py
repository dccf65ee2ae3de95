"""The list of a run's pictures as files that Ray reads, a shard a row."""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from topfive.bulk.inputs.entries import Entry, InputDigest, Shard, divide
from topfive.errors import OperatorError

INPUTS_FOLDER = "_topfive/inputs"
SHARDS_PER_FILE = 100
_SCHEMA = pa.schema(
    [
        ("shard", pa.int64()),
        ("first_index", pa.int64()),
        ("names", pa.list_(pa.binary())),
        ("sizes", pa.list_(pa.int64())),
        ("stamps", pa.list_(pa.string())),
    ]
)


class ListFolder(Protocol):
    """The results' folder, as far as the lists need it."""

    def write(self, name: str, content: bytes, /) -> object:
        """Write a file whole."""

    def delete(self, *names: str) -> object:
        """Delete files."""


@dataclass(frozen=True, slots=True)
class InputList:
    """What was listed: how many, the digest of it, and the files' names below the results."""

    pictures: int
    shards: int
    sha256: str
    files: tuple[str, ...]


def write_input_list(
    folder: ListFolder, entries: Iterable[Entry], shard_pictures: int
) -> InputList:
    """Write the list of a run's pictures, of which no more than one file's is in memory.

    What was written is deleted again if the entries end in an error.
    """
    digest = InputDigest()
    shards = divide(_digested(entries, digest), shard_pictures)
    files: list[str] = []
    count = 0
    try:
        while some := list(islice(shards, SHARDS_PER_FILE)):
            files.append(list_file_name(len(files)))
            folder.write(files[-1], _encode(some))
            count += len(some)
    except BaseException:
        with suppress(OSError, OperatorError):
            folder.delete(*files)
        raise
    return InputList(digest.count, count, digest.hexdigest(), tuple(files))


def list_file_name(number: int) -> str:
    """Name a list's file, from 0 on, each of which but the last has SHARDS_PER_FILE shards."""
    return f"{INPUTS_FOLDER}/{number:06}.parquet"


def read_shard(row: Mapping[str, Any]) -> Shard:
    """Take a shard out of one row of a list, whose values are lists or arrays."""
    rows = zip(row["names"], row["sizes"], row["stamps"], strict=True)
    entries = tuple(Entry(bytes(name), int(size), str(stamp)) for name, size, stamp in rows)
    return Shard(int(row["shard"]), int(row["first_index"]), entries)


def read_shards(content: bytes) -> Iterator[Shard]:
    """Take the shards out of one file of a list."""
    for batch in pq.ParquetFile(io.BytesIO(content)).iter_batches(1, use_threads=False):
        yield from map(read_shard, batch.to_pylist())


def _digested(entries: Iterable[Entry], digest: InputDigest) -> Iterator[Entry]:
    for entry in entries:
        digest.add(entry)
        yield entry


def _encode(shards: list[Shard]) -> bytes:
    table = pa.table(
        {
            "shard": [one.number for one in shards],
            "first_index": [one.first_index for one in shards],
            "names": [[entry.name for entry in one.entries] for one in shards],
            "sizes": [[entry.size_bytes for entry in one.entries] for one in shards],
            "stamps": [[entry.stamp for entry in one.entries] for one in shards],
        },
        schema=_SCHEMA,
    )
    file = io.BytesIO()
    # One row a group: whoever wants one shard decodes no other.
    pq.write_table(table, file, row_group_size=1, compression="zstd")
    return file.getvalue()
