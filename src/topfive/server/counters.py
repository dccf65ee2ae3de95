"""Where the workers of one machine count together for the rate limit."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory

from topfive.admission.ratelimit import SCHEME, SharedCounters
from topfive.settings import Settings

MEMORY_DIR = Path("/dev/shm")  # noqa: S108 - memory, not a shared temporary directory
# More than the counters ever take.
_ROOM_BYTES = 48 * 1024 * 1024


@contextmanager
def shared_counters(settings: Settings) -> Iterator[Settings]:
    """Give all workers one place to count in, unless settings name another; yields the settings."""
    if settings.rate_limit_storage or not settings.rate_limit:
        yield settings
        return
    with TemporaryDirectory(
        prefix="topfive-", dir=_folder_with_room(), ignore_cleanup_errors=True
    ) as folder:
        uri = f"{SCHEME}://{folder}"
        SharedCounters(uri).check()
        _reserve(Path(folder))
        yield settings.model_copy(update={"rate_limit_storage": uri})


def _folder_with_room() -> Path | None:
    """Choose memory where there is enough of it, else the usual temporary folder."""
    is_roomy = MEMORY_DIR.is_dir() and disk_usage(MEMORY_DIR).free > _ROOM_BYTES
    return MEMORY_DIR if is_roomy else None


def _reserve(folder: Path) -> None:
    """Take the files' room now: a mapped file that finds none later ends its process."""
    for path in folder.iterdir():
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
