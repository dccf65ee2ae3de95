"""The files that the workers of one machine share: counters, metrics, and their reports."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import mkdtemp

from topfive.errors import OperatorError
from topfive.ratelimit.counters import SCHEME, SharedCounters
from topfive.settings import Settings
from topfive.telemetry.metric_files import prepare_files

MEMORY_DIR = Path("/dev/shm")  # noqa: S108 - memory, not a shared temporary directory
# More than counters and metrics ever take.
_ROOM_BYTES = 48 * 1024 * 1024


@contextmanager
def shared_files(settings: Settings) -> Iterator[Settings]:
    """Make what workers share, unless settings name it; yields settings that name all of it.

    Raises OperatorError if there is nowhere to write to.
    """
    with ExitStack() as stack:
        given: dict[str, object] = {}
        if settings.rate_limit and not settings.rate_limit_storage:
            given["rate_limit_storage"] = _make_counters(stack.enter_context(_folder()))
        if settings.metrics_dir is None:
            given["metrics_dir"] = stack.enter_context(_folder())
        if settings.workers_dir is None:
            given["workers_dir"] = stack.enter_context(_folder())
        complete = settings.model_copy(update=given)
        assert complete.metrics_dir is not None  # noqa: S101 - tells the type checker
        prepare_files(complete.metrics_dir)
        yield complete


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder in memory where there is enough of it, else in the usual temporary place."""
    is_roomy = MEMORY_DIR.is_dir() and disk_usage(MEMORY_DIR).free > _ROOM_BYTES
    where = MEMORY_DIR if is_roomy and os.access(MEMORY_DIR, os.W_OK) else None
    owner = os.getpid()
    try:
        folder = Path(mkdtemp(prefix="topfive-", dir=where))
    except OSError as error:
        raise OperatorError(
            f"Workers find no directory to share files in: {error.strerror}. "
            "Give the service a /dev/shm or a /tmp that it can write to."
        ) from error
    try:
        yield folder
    finally:
        # A worker is a fork, and leaves this block too when it ends: the folder is not its own.
        if os.getpid() == owner:
            rmtree(folder, ignore_errors=True)


def _make_counters(folder: Path) -> str:
    uri = f"{SCHEME}://{folder}"
    SharedCounters(uri).check()
    for path in folder.iterdir():
        with path.open("r+b") as file:
            # A mapped file that finds no room later ends its process.
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return uri
