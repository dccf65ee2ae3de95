"""A store in a cloud's bucket, through fsspec; its library finds the credentials by itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from topfive.bundles.manifest import MANIFEST_FILE
from topfive.stores.address import StoreAddress
from topfive.stores.contract import (
    OpenFile,
    Progress,
    StoredVersion,
    StoreLimits,
    is_name,
    versions_in,
)
from topfive.stores.failures import FileMissing
from topfive.stores.filesystem import failure_words, open_filesystem, run

# One request for so many bytes: what is cut off is asked for again from there.
_BLOCK_BYTES = 4 * 1024 * 1024


class _CloudFile:
    """A file that is read block by block, each by a request of its own."""

    def __init__(self, files: "CloudFiles", path: str, size_bytes: int) -> None:
        self.size_bytes: int | None = size_bytes
        self._files = files
        self._path = path
        self._left = range(size_bytes)

    def read(self, most_bytes: int, /) -> bytes:
        piece = self._left[: min(most_bytes, _BLOCK_BYTES)]
        if not piece:
            return b""
        content = self._files.read_range(self._path, piece.start, piece.stop)
        self._left = self._left[len(content) :] if content else range(0)
        return content


class CloudFiles:
    """The files of a store in a bucket.

    A bundle is there once its manifest is, which is written last.
    """

    def __init__(self, address: StoreAddress, limits: StoreLimits) -> None:
        self.shown = address.shown
        self.limits = limits
        self._root = address.root
        self._words = failure_words(address)
        with self._words.told():
            self._files = open_filesystem(address.scheme, limits)

    def list_versions(self) -> list[StoredVersion]:
        """List the folders that may hold a bundle, sorted."""
        names = self._folders_in(self._root)
        # A name's folder may go while it is listed; its versions are then no more there.
        found = [f"{name}/{one}" for name in names for one in self._folders_in(self._path(name))]
        return versions_in(found[: self.limits.max_versions])

    def sizes(self, version: StoredVersion) -> Mapping[str, int] | None:
        """Tell the sizes in bytes of a bundle's files."""
        folder = self._path(version.folder)
        return {
            _leaf(folder, one["name"]): int(one["size"] or 0)
            for one in self._list(folder)
            if one["type"] == "file"
        }

    def read_small(self, path: str, most_bytes: int) -> bytes:
        """Read a small file whole; one byte more than `most_bytes` where it is longer."""
        with self.open(path) as file:
            return file.read(most_bytes + 1)

    @contextmanager
    def open(self, path: str) -> Iterator[OpenFile]:
        """Look up a file, which is read block by block."""
        info = self._run(path, self._files._info, self._path(path), timeout_s=self.limits.listing_s)
        if info["type"] != "file":
            raise FileMissing(f"{self.shown}/{path} is no file.")
        yield _CloudFile(self, path, int(info["size"]))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Read a file's bytes from `start` up to `stop`."""
        timeout_s = self.limits.stall_s + (stop - start) / self.limits.min_bytes_per_s
        read = self._files._cat_file
        found = self._run(path, read, self._path(path), start=start, end=stop, timeout_s=timeout_s)
        return cast(bytes, found)[: stop - start]

    def write_bundle(
        self, version: StoredVersion, folder: Path, names: list[str], progress: Progress
    ) -> None:
        """Put every file, and the manifest last: readers look for it first."""
        *others, manifest = names
        with self._words.told(passing=FileExistsError):
            for name in others:
                self._files.put_file(str(folder / name), self._path(f"{version.folder}/{name}"))
                progress.advance((folder / name).stat().st_size)
            content = (folder / manifest).read_bytes()
            path = self._path(f"{version.folder}/{MANIFEST_FILE}")
            self._files.pipe_file(path, content, mode="create")
            progress.advance(len(content))

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _folders_in(self, folder: str) -> list[str]:
        listed = (one["name"] for one in self._list(folder) if one["type"] == "directory")
        return sorted(filter(is_name, (_leaf(folder, path) for path in listed)))[
            : self.limits.max_versions
        ]

    def _list(self, folder: str) -> list[dict[str, Any]]:
        # Not `ls`, which has no timeout: a listing that has no end is to end all the same.
        listed = self._run(
            "", self._files._ls, folder, detail=True, timeout_s=self.limits.listing_s
        )
        return cast(list[dict[str, Any]], listed)

    def _run(self, path: str, method: Any, *arguments: Any, timeout_s: float, **named: Any) -> Any:
        with self._words.told(path):
            return run(self._files, method, *arguments, timeout_s=timeout_s, **named)


def _leaf(folder: str, path: str) -> str:
    """Tell the name of what lies in a folder; a path that lies elsewhere has none."""
    head, _, leaf = path.rstrip("/").rpartition("/")
    return leaf if head == folder else ""
