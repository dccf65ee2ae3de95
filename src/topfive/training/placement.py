"""Bundles are written beside their place and renamed into it: nobody ever sees half of one."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAKING, _REPLACED = ".making-", ".replaced-"


@contextmanager
def write_beside(target: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Give an empty folder for a bundle's files; where all went well it becomes `target`.

    An existing bundle is left as it is, unless this one `replaces` it. Nothing is left of a folder
    in which something went wrong, and nothing of one whose process was killed. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    with _folder_in(target.parent, _MAKING) as beside:
        yield beside
        _let_everyone_read(beside)
        if replaces and target.exists():
            _move_aside(target)
        _move_into_place(beside, target)


@contextmanager
def _folder_in(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder that is gone afterwards, locked for as long as this process lives."""
    with _locked(parent, fcntl.LOCK_EX):
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = os.open(folder, os.O_RDONLY)
        _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Delete what killed processes have left: no living one has it locked."""
    with _locked(parent, fcntl.LOCK_EX):
        for prefix in (_MAKING, _REPLACED):
            for folder in parent.glob(f"{prefix}*"):
                with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as is_locked:
                    if is_locked:
                        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[bool]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(descriptor, operation)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, operation: int) -> bool:
    """Lock a folder; False where another process has it, or its file system knows no locks."""
    try:
        fcntl.flock(descriptor, operation)
    except OSError:
        return False
    return True


def _let_everyone_read(folder: Path) -> None:
    """Undo the private modes of temporary files: the service may run as another user."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


def _move_aside(target: Path) -> None:
    """Make way; who has loaded the old bundle keeps what it has read or mapped."""
    with _folder_in(target.parent, _REPLACED) as aside:
        target.rename(aside / target.name)


def _move_into_place(beside: Path, target: Path) -> None:
    try:
        beside.rename(target)
    except OSError:
        # Another process made the same bundle meanwhile: the content is the same.
        if not target.exists():
            raise
    else:
        # The rename reaches the disk before the bundle is relied upon.
        directory = os.open(target.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
