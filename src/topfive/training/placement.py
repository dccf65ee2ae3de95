"""Bundles are written beside their place and renamed into it: nobody ever sees half of one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topfive.errors import BundleMissing, SettingsError

_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@contextmanager
def write_beside(target: Path, *, replaces: bool = False) -> Iterator[Path]:
    """Give an empty folder for a bundle's files; where all went well it becomes `target`.

    An existing bundle is left as it is, unless this one `replaces` it. Nothing is left of a folder
    in which something went wrong. Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        yield beside
        _let_everyone_read(beside)
        if replaces and target.exists():
            _move_aside(target)
        _move_into_place(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def explain_unwritable(models_dir: Path, error: OSError) -> SettingsError | BundleMissing:
    """Make the error that says in plain words why no bundle can be written."""
    if error.errno in _NOT_WRITABLE:
        return SettingsError(
            f"TOPFIVE_MODELS_DIR={models_dir} cannot be written to: {error.strerror}."
        )
    return BundleMissing(f"The bundle cannot be written to {models_dir}: {error.strerror}.")


def _let_everyone_read(folder: Path) -> None:
    """Undo the private modes of temporary files: the service may run as another user."""
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


def _move_aside(target: Path) -> None:
    """Make way; who has loaded the old bundle keeps what it has read or mapped."""
    aside = Path(tempfile.mkdtemp(prefix=".replaced-", dir=target.parent))
    target.rename(aside / target.name)
    shutil.rmtree(aside, ignore_errors=True)


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
