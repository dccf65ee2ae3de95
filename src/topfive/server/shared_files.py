"""The files that the workers of one machine share: counters, metrics, reports and answers."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import disk_usage, rmtree
from tempfile import gettempdir, mkdtemp

from topfive.cache.shared_memory import SharedMemoryStore
from topfive.errors import OperatorError, SettingsError
from topfive.ratelimit.counters import SCHEME, SharedCounters
from topfive.settings import Settings
from topfive.telemetry.logs import get_logger
from topfive.telemetry.metric_files import prepare_files

MEMORY_DIR = Path("/dev/shm")  # noqa: S108 - memory, not a shared temporary directory
# More than counters and metrics ever take.
_ROOM_BYTES = 48 * 1024 * 1024
_MIB = 1024 * 1024


@contextmanager
def shared_files(settings: Settings) -> Iterator[Settings]:
    """Make what workers share, unless settings name it; yields settings that name all of it.

    Raises OperatorError if there is nowhere to write to, SettingsError if it is too small for the
    cache.
    """
    with ExitStack() as stack:
        given: dict[str, object] = {}
        if settings.rate_limit and not settings.rate_limit_storage:
            given["rate_limit_storage"] = _make_counters(stack.enter_context(_folder()))
        if settings.metrics_dir is None:
            given["metrics_dir"] = stack.enter_context(_folder())
        if settings.workers_dir is None:
            given["workers_dir"] = stack.enter_context(_folder())
        if settings.cache_bytes:
            given["cache_dir"] = _make_cache(settings, stack)
        complete = settings.model_copy(update=given)
        assert complete.metrics_dir is not None  # noqa: S101 - tells the type checker
        prepare_files(complete.metrics_dir)
        yield complete


@contextmanager
def _folder(most_bytes: int = 0) -> Iterator[Path]:
    """Make a folder in memory where there is enough of it, else in the usual temporary place."""
    is_roomy = _free_bytes(MEMORY_DIR) > _ROOM_BYTES + most_bytes
    owner = os.getpid()
    try:
        folder = Path(mkdtemp(prefix="topfive-", dir=MEMORY_DIR if is_roomy else None))
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


def _free_bytes(folder: Path) -> int:
    """Tell how much may still be written into a folder; 0 where nothing may."""
    return disk_usage(folder).free if os.access(folder, os.W_OK) else 0


def _make_cache(settings: Settings, stack: ExitStack) -> Path:
    if settings.cache_dir is None:
        _require_room(settings.cache_bytes)
    folder = settings.cache_dir or stack.enter_context(_folder(settings.cache_bytes))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"Answers cannot be kept in {folder}: {error.strerror}. "
            "Set TOPFIVE_CACHE_DIR to a directory that can be written."
        ) from error
    store = SharedMemoryStore(folder, settings.cache_bytes)
    with suppress(*store.failures):
        # Workers tell of a cache that cannot be used, and serve without.
        store.prepare()
    return folder


def _require_room(cache_bytes: int) -> None:
    """Tell where the cache finds no memory; raises SettingsError where it finds no place at all.

    Memory that is full would end processes, so it is never filled up.
    """
    in_memory = _free_bytes(MEMORY_DIR)
    if in_memory > _ROOM_BYTES + cache_bytes:
        return
    elsewhere = Path(gettempdir())
    on_disk = _free_bytes(elsewhere)
    told = (
        f"TOPFIVE_CACHE_BYTES is {cache_bytes // _MIB} MiB, and {MEMORY_DIR} can take "
        f"{max(0, in_memory - _ROOM_BYTES) // _MIB} MiB"
    )
    step = "Give the service a larger /dev/shm (docker run --shm-size), or a smaller cache."
    if on_disk < _ROOM_BYTES + cache_bytes:
        raise SettingsError(
            f"{told}, {elsewhere} {max(0, on_disk - _ROOM_BYTES) // _MIB} MiB. {step}"
        )
    get_logger().warning("cache_on_disk", reason=f"{told}. {step}", folder=str(elsewhere))


def _make_counters(folder: Path) -> str:
    uri = f"{SCHEME}://{folder}"
    SharedCounters(uri).check()
    for path in folder.iterdir():
        with path.open("r+b") as file:
            # A mapped file that finds no room later ends its process.
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return uri
