"""What every kind of store offers, and how much of what it says is believed."""

import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from topfive.bundles.manifest import NAME_PATTERN

INDEX_FILE = "index.json"


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """The most that is taken from a store, however much it has; bytes and seconds.

    A read that stands still for `stall_s` ends, and so does a file that after as long has come
    more slowly than `min_bytes_per_s`. Listing a folder takes `listing_s` at most.
    """

    max_manifest_bytes: int = 1024 * 1024
    max_listing_bytes: int = 64 * 1024 * 1024
    max_bundle_bytes: int = 4 * 1024**3
    max_files: int = 64
    max_versions: int = 10_000
    connect_s: float = 5.0
    stall_s: float = 20.0
    listing_s: float = 30.0
    min_bytes_per_s: int = 16 * 1024


@dataclass(frozen=True, slots=True, order=True)
class StoredVersion:
    """The name and version of a bundle in a store, as its folders are called."""

    name: str
    version: str

    @property
    def folder(self) -> str:
        """Its folder, below the store's root."""
        return f"{self.name}/{self.version}"


class OpenFile(Protocol):
    """A file of a store that is being read; `size_bytes` is None where the store does not say."""

    @property
    def size_bytes(self) -> int | None:
        """How long the store says that it is."""

    def read(self, most_bytes: int, /) -> bytes:
        """Read at most so many bytes; none at the end."""


class Progress(Protocol):
    """Is told how far a transfer is."""

    def begin(self, what: str, total_bytes: int | None) -> None:
        """Begin a transfer of so many bytes; None: nobody knows how many."""

    def advance(self, moved_bytes: int) -> None:
        """So many more bytes have been moved; fewer than none where a file begins again."""


class NoProgress:
    """Stands in where nobody watches."""

    def begin(self, what: str, total_bytes: int | None) -> None:
        """Do nothing."""

    def advance(self, moved_bytes: int) -> None:
        """Do nothing."""


class StoreFiles(Protocol):
    """The files of a store, in folders `<name>/<version>/`.

    Every method raises StoreUnreachable where the store cannot be used now, StoreDenied where it
    refuses: no credentials, wrong ones, or nothing by that name.
    """

    @property
    def shown(self) -> str:
        """The store's address, as it may be shown."""

    @property
    def limits(self) -> StoreLimits:
        """How much is taken from it."""

    def list_versions(self) -> list[StoredVersion]:
        """List the folders that may hold a bundle, sorted."""

    def sizes(self, version: StoredVersion, /) -> Mapping[str, int] | None:
        """Tell the sizes in bytes of a bundle's regular files; None where the store cannot."""

    def read_small(self, path: str, most_bytes: int) -> bytes:
        """Read a small file whole; one byte more than `most_bytes` where it is longer."""

    def open(self, path: str) -> AbstractContextManager[OpenFile]:
        """Open a file by its path below the root; reading raises as this does."""


class WritableFiles(StoreFiles, Protocol):
    """The files of a store that can be pushed to."""

    def write_bundle(
        self, version: StoredVersion, folder: Path, names: list[str], progress: Progress
    ) -> None:
        """Put the files `names` of a local bundle there, so that readers see all of it or nothing.

        The last of `names` is the manifest. Raises FileExistsError if another push was first.
        """


def versions_in(paths: Iterable[str]) -> list[StoredVersion]:
    """Make versions of `name/version` texts; what no bundle can be called is left out."""
    parts = {tuple(path.split("/")) for path in paths}
    return sorted(
        StoredVersion(*both) for both in parts if len(both) == 2 and all(map(is_name, both))
    )


def is_name(text: str) -> bool:
    """Tell whether a bundle or its version can be called so: no name leads to another folder."""
    return re.fullmatch(NAME_PATTERN, text) is not None
