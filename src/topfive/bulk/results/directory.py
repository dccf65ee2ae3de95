"""Results in a directory, which the nodes of a cluster may share."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from topfive.bulk.results.contract import RUN_FOLDER, ListedFile
from topfive.bundles.disk import is_disk_full
from topfive.errors import BulkRefused, BulkStopped

# Beside the results, so that whoever takes all of them never sees one that is being written.
_WRITING = f"{RUN_FOLDER}/writing"
_LOCK = f"{RUN_FOLDER}/lock"
# What trying again cannot heal.
_MISTAKES = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}
# What file systems without hard links say; EPERM is Linux's word of FAT.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class ResultsDirectory:
    """The files of a run below a directory.

    What is written is on the disk when the method returns: file and name outlive a loss of power.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._root)

    def write(self, name: str, content: bytes) -> None:
        """Write beside, then rename into place."""
        with self._told():
            self._put(name, content, _replace)

    def create(self, name: str, content: bytes) -> None:
        """Write beside, then link into place, which only the first can do."""
        with self._told(passing=(FileExistsError,)):
            self._put(name, content, _link)

    def read(self, name: str) -> bytes:
        """Read a file whole; raises FileNotFoundError."""
        path = self._root / name
        with (
            self._told(passing=(FileNotFoundError,)),
            open(path, "rb", opener=_without_waiting) as file,
        ):
            return file.read()

    def list(self, prefix: str) -> list[ListedFile]:
        """List the files whose names begin so, sorted by name."""
        folder, _, beginning = prefix.rpartition("/")
        with self._told():
            found = _files_below(self._root / folder, f"{folder}/" if folder else "", beginning)
            return sorted(found)

    def scan(self, prefixes: Sequence[str]) -> Iterator[ListedFile]:
        """List the files in the folder that holds all of them: one pass, whatever the prefixes."""
        for folder in {one.rpartition("/")[0] for one in prefixes}:
            with self._told():
                yield from _files_below(self._root / folder, f"{folder}/" if folder else "")

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""
        with self._told():
            return (self._root / name).is_file()

    def delete(self, *names: str) -> None:
        """Delete files; those that are not there are no fault."""
        with self._told():
            for name in names:
                (self._root / name).unlink(missing_ok=True)

    def is_empty(self) -> bool:
        """Tell whether there is nothing but what a run leaves that ended before it began."""
        with self._told():
            if not self._root.exists():
                return True
            with os.scandir(self._root) as entries:
                others = any(entry.name != RUN_FOLDER for entry in entries)
        return not others and all(
            one.name == _LOCK or one.name.startswith(f"{_WRITING}/")
            for one in self.list(f"{RUN_FOLDER}/")
        )

    def location(self, name: str) -> str:
        """Tell the path of a file."""
        return str(self._root / name)

    def tidy(self) -> None:
        """Delete what killed processes have left half written."""
        self.delete(*(one.name for one in self.list(f"{_WRITING}/")))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder until the block ends; the lock of a killed process is gone with it."""
        with ExitStack() as held:
            with self._told():
                (self._root / RUN_FOLDER).mkdir(parents=True, exist_ok=True)
                self._lock(held)
            yield

    def _lock(self, held: ExitStack) -> None:
        try:
            held.enter_context(FileLock(self._root / _LOCK, timeout=0))
        except Timeout as error:
            raise BulkRefused(
                f"Another `topfive bulk` is at work in {self.shown}. Wait until it has ended, or "
                "give another folder after --out."
            ) from error
        except NotImplementedError:
            # A network's file system without locks: `create` still tells of a second run.
            return

    def _put(self, name: str, content: bytes, place: Callable[[Path, Path], None]) -> None:
        target, beside = self._root / name, self._root / _WRITING
        for folder in (target.parent, beside):
            folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as undo:
            # Opened as any file, so that the user's umask says who else may read it.
            path = beside / f"{target.name}{uuid4().hex}"
            with path.open("xb") as file:
                undo.callback(path.unlink, missing_ok=True)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            place(path, target)
            _persist(target.parent)

    @contextmanager
    def _told(self, passing: tuple[type[OSError], ...] = ()) -> Iterator[None]:
        try:
            yield
        except passing:
            raise
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> BulkRefused | BulkStopped:
        why = error.strerror or type(error).__name__
        if is_disk_full(error):
            return BulkStopped(
                f"The results cannot be written to {self.shown}: {why}. Make space, and go on "
                "with --resume; what is finished is kept."
            )
        if error.errno in _MISTAKES:
            return BulkRefused(
                f"The results' folder {self.shown} cannot be used: {why}. Give this user the "
                "right to read and write there, or another folder after --out."
            )
        return BulkStopped(
            f"The results' folder {self.shown} cannot be used now: {why}. Go on with --resume "
            "once it can; what is finished is kept."
        )


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place would be waited for, and is as empty as that."""
    return os.open(path, flags | os.O_NONBLOCK)


def _files_below(folder: Path, where: str, beginning: str = "") -> Iterator[ListedFile]:
    """Go through the files of a folder and those in it; a folder that is not there has none."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if not entry.name.startswith(beginning):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(folder / entry.name, f"{where}{entry.name}/")
            elif (size_bytes := _size_bytes(entry)) is not None:
                yield ListedFile(f"{where}{entry.name}", size_bytes)


def _size_bytes(entry: os.DirEntry[str]) -> int | None:
    """Tell a file's size; None of one that has gone meanwhile."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return None


def _replace(beside: Path, target: Path) -> None:
    beside.replace(target)


def _link(beside: Path, target: Path) -> None:
    try:
        os.link(beside, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        beside.replace(target)


def _persist(folder: Path) -> None:
    """Have a folder's names reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
