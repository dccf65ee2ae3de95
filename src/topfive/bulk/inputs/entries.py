"""One picture of a bulk run, and the shards in which they are worked on."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture that is meant: where it is, and what was known of it when it was listed.

    `name` is a file's path as the operating system has it, an address (`s3://...`, `https://...`),
    or a table's path with `#` and the row's number. `size_bytes` is -1 and `stamp` is empty where
    listing does not tell; `stamp` is a time of change or a bucket's ETag.
    """

    name: bytes
    size_bytes: int = -1
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Shard:
    """Pictures that are worked on together, and whose results are one file.

    `first_index` is the place of the first of them among all pictures of the run, from 0 on.
    """

    number: int
    first_index: int
    entries: tuple[Entry, ...]


def divide(entries: Iterable[Entry], shard_pictures: int) -> Iterator[Shard]:
    """Divide pictures into shards of `shard_pictures`, the last of which may have fewer."""
    rest = iter(entries)
    number = 0
    while chosen := tuple(islice(rest, shard_pictures)):
        yield Shard(number, number * shard_pictures, chosen)
        number += 1


class InputDigest:
    """The SHA-256 of a list of pictures: their names, sizes and stamps, in order."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, entry: Entry) -> None:
        """Take the next picture in."""
        self.count += 1
        for part in (entry.name, str(entry.size_bytes).encode(), entry.stamp.encode()):
            # Lengths before the parts: no two lists have the same bytes.
            self._hash.update(len(part).to_bytes(8, "big"))
            self._hash.update(part)

    def hexdigest(self) -> str:
        """Tell the digest of what was taken in so far."""
        return self._hash.hexdigest()
