"""A store in a directory, which machines may share; it can also be served by a web server."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from topfive.bundles.manifest import MANIFEST_FILE
from topfive.stores.contract import (
    INDEX_FILE,
    OpenFile,
    Progress,
    StoredVersion,
    StoreLimits,
    versions_in,
)
from topfive.stores.failures import FailureWords

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _LocalFile:
    words: FailureWords
    path: str
    stream: BinaryIO
    size_bytes: int | None

    def read(self, most_bytes: int, /) -> bytes:
        with self.words.told(self.path):
            return self.stream.read(most_bytes)


class DirectoryFiles:
    """The files of a store below a directory; what is no regular file in it is never opened."""

    def __init__(self, root: Path, limits: StoreLimits) -> None:
        self.shown = str(root)
        self.limits = limits
        self._root = root
        self._words = FailureWords(self.shown, "Give this user the right to use that directory")

    def list_versions(self) -> list[StoredVersion]:
        """List the folders that hold a manifest, sorted."""
        with self._words.told():
            # Asking for the root's own list tells whether it is there.
            os.listdir(self._root)  # noqa: PTH208 - Path.iterdir would wait for the first one
            found = self._root.glob(f"[!.]*/[!.]*/{MANIFEST_FILE}")
            few = list(islice(found, self.limits.max_versions))
        return versions_in(path.parent.relative_to(self._root).as_posix() for path in few)

    def sizes(self, version: StoredVersion) -> Mapping[str, int] | None:
        """Tell the sizes in bytes of a bundle's regular files."""
        with self._words.told():
            files = islice((self._root / version.folder).iterdir(), 10 * self.limits.max_files)
            return {path.name: path.stat().st_size for path in files if self._is_ours(path)}

    def read_small(self, path: str, most_bytes: int) -> bytes:
        """Read a small file whole; one byte more than `most_bytes` where it is longer."""
        with self.open(path) as file:
            return file.read(most_bytes + 1)

    @contextmanager
    def open(self, path: str) -> Iterator[OpenFile]:
        """Open a regular file that lies below the root, wherever links lead."""
        full = self._root / path
        with self._words.told(path):
            if not self._is_ours(full):
                raise FileNotFoundError(path)
            stream = full.open("rb")
        with stream:
            yield _LocalFile(self._words, path, stream, os.fstat(stream.fileno()).st_size)

    def write_bundle(
        self, version: StoredVersion, folder: Path, names: list[str], progress: Progress
    ) -> None:
        """Copy a bundle beside its place and rename it; then list it for web servers."""
        with self._words.told(passing=FileExistsError):
            target = self._root / version.folder
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=".pushing-", dir=target.parent))
            try:
                for name in names:
                    _copy(folder / name, beside / name, progress)
                beside.chmod(0o755)
                _rename(beside, target)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
            self._write_index()

    def _is_ours(self, path: Path) -> bool:
        return path.is_file() and path.resolve().is_relative_to(self._root.resolve())

    def _write_index(self) -> None:
        with FileLock(self._root / ".index.lock"):
            listed = [one.folder for one in self.list_versions()]
            beside = self._root / f".{INDEX_FILE}"
            beside.write_text(json.dumps({"bundles": listed}, indent=2) + "\n", "utf-8")
            beside.replace(self._root / INDEX_FILE)


def _copy(source: Path, target: Path, progress: Progress) -> None:
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(_PIECE_BYTES):
            writer.write(piece)
            progress.advance(len(piece))
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(0o644)


def _rename(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
    except OSError as error:
        if target.exists():
            raise FileExistsError(str(target)) from error
        raise
