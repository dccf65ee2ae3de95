"""The cache that settings name."""

from topfive.cache.cache import Cache, Caching, NoCache
from topfive.cache.guarded import CacheEvents, GuardedStore
from topfive.cache.shared_memory import SharedMemoryStore
from topfive.cache.store import Store
from topfive.cache.valkey import ValkeyStore
from topfive.errors import SettingsError
from topfive.machine.probe import probe_machine
from topfive.machine.sizing import MEMORY_SHARE
from topfive.settings import Settings
from topfive.telemetry.access import AccessLog

# The rest is for workers: pictures are decoded in it, and models lie in it.
_MOST_MEMORY_SHARE = 0.5
_MIB = 1024 * 1024


def open_cache(settings: Settings, access_log: AccessLog) -> Caching:
    """Open the cache, which tells `access_log` how it fares; a store that is away is no failure.

    Raises SettingsError if it has no directory in which workers share it.
    """
    store = _open_store(settings)
    if store is None:
        return NoCache()
    events = CacheEvents(
        on_down=access_log.record_cache_down,
        on_back=access_log.record_cache_back,
        on_error=access_log.record_cache_error,
        on_broken=access_log.record_broken_entry,
        on_evicted=access_log.record_evictions,
    )
    return Cache(GuardedStore(store, events))


def cache_mistakes(settings: Settings) -> list[str]:
    """Tell if the cache would take too much of the memory."""
    usable_bytes = int(probe_machine().usable_memory_bytes * MEMORY_SHARE)
    most_bytes = int(usable_bytes * _MOST_MEMORY_SHARE)
    if settings.cache_bytes <= most_bytes:
        return []
    problem = (
        f"TOPFIVE_CACHE_BYTES is {settings.cache_bytes // _MIB} MiB, and workers need the memory "
        f"too: set it to {most_bytes} ({most_bytes // _MIB} MiB) at the most."
    )
    return [problem]


def _open_store(settings: Settings) -> Store | None:
    if settings.cache_url:
        return ValkeyStore(settings.cache_url, settings.cache_ttl_s)
    if not settings.cache_bytes:
        return None
    if settings.cache_dir is None:
        raise SettingsError(
            "TOPFIVE_CACHE_BYTES needs a directory that workers share: start topfive with "
            "`topfive serve` or docker/gunicorn.conf.py, or set TOPFIVE_CACHE_DIR."
        )
    return SharedMemoryStore(settings.cache_dir, settings.cache_bytes)
