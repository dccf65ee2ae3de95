"""The files in which workers keep their metrics: added up when a worker ends, never piled up."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from topfive.errors import OperatorError

_LOCK_FILE = "lock"
# No process has this id: what ended workers have counted is kept under it.
_NOBODY = 0
_RESTARTS = "topfive_worker_restarts"
_RESTARTS_TEXT = "Workers that ended unasked."


def prepare_files(folder: Path) -> None:
    """Empty a folder for metrics and have the library use it, here and in every fork.

    Raises OperatorError if it cannot be written.
    """
    # Read by the library when it is imported, which happens first below.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.db"):
            path.unlink()
        (folder / _LOCK_FILE).touch()
    except OSError as error:
        raise OperatorError(
            f"Metrics cannot be written to {folder}: {error.strerror}. "
            "Set TOPFIVE_METRICS_DIR to a directory that can."
        ) from error
    _add_restarts(folder, 0)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep files from being added up while they are read."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


def note_asked_to_end(folder: Path, pid: int) -> None:
    """Note that a worker ends because it was told to."""
    (folder / f"asked_{pid}").touch()


def retire_worker_files(folder: Path, pid: int) -> None:
    """Add what an ended worker counted to what others before it did, and delete its files."""
    with _locked(folder, fcntl.LOCK_EX):
        for kind in ("counter", "histogram"):
            _add_up(folder / f"{kind}_{pid}.db", folder / f"{kind}_{_NOBODY}.db")
        for path in folder.glob(f"gauge_*_{pid}.db"):
            path.unlink()
    asked = folder / f"asked_{pid}"
    _add_restarts(folder, 0 if asked.exists() else 1)
    asked.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[None]:
    with (folder / _LOCK_FILE).open("ab") as file:
        fcntl.flock(file, operation)
        yield


def _add_up(source: Path, target: Path) -> None:
    if not source.exists():
        return
    with _opened(target) as total:
        for key, value, timestamp, _ in total.read_all_values_from_file(str(source)):
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    source.unlink()


def _add_restarts(folder: Path, count: int) -> None:
    from prometheus_client.mmap_dict import mmap_key  # noqa: PLC0415

    key = mmap_key(_RESTARTS, f"{_RESTARTS}_total", [], [], _RESTARTS_TEXT)
    with _opened(folder / f"counter_{_NOBODY}.db") as total:
        total.write_value(key, total.read_value(key)[0] + count, time.time())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415

    open_values: Any = MmapedDict
    values = open_values(str(path))
    try:
        yield values
    finally:
        values.close()
