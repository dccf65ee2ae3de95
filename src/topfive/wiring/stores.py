"""How workers use the model store that settings name, if they name one."""

from topfive.bundles.versions import KnownBundle, ModelReference
from topfive.concurrency.backoff import Backoff
from topfive.errors import OperatorError, SettingsError
from topfive.provider.store_process import fetch_in_own_process, list_in_own_process
from topfive.registry.desired import ModelOptions
from topfive.registry.known import ManifestList
from topfive.registry.store_watch import StoreWatch, WatchOptions
from topfive.settings import Settings
from topfive.stores.address import parse_store, require_library
from topfive.stores.list_file import NoStoreList, StoreListFile
from topfive.telemetry.logs import get_logger


def store_mistakes(settings: Settings) -> list[str]:
    """List what is wrong with the store and can be seen without asking it."""
    try:
        if settings.model_store:
            require_library(parse_store(settings.model_store))
    except SettingsError as mistake:
        return [f"TOPFIVE_MODEL_STORE: {mistake}"]
    return []


def stored_list(settings: Settings) -> ManifestList:
    """Tell of what the store has, as it was last listed."""
    if not settings.model_store:
        return NoStoreList()
    return StoreListFile(settings.models_dir, settings.model_store)


def bring_stored(options: ModelOptions, bundle: KnownBundle) -> None:
    """Fetch a bundle that the store was seen to have; raises as `fetch_in_own_process`."""
    if options.store:
        tell_fetching(options, bundle.ref.name)
        reference = ModelReference(bundle.ref.name, bundle.ref.version)
        fetch_in_own_process(reference, options)


def watch_store(settings: Settings) -> list[StoreWatch]:
    """Begin to look which bundles the store has; returns what does, if there is a store."""
    if not settings.model_store:
        return []
    watch = StoreWatch(
        StoreListFile(settings.models_dir, settings.model_store),
        lambda: _list(settings),
        _tell_failure,
        WatchOptions(settings.models_dir, settings.model_store_ttl_s, Backoff()),
    )
    watch.start()
    return [watch]


def _list(settings: Settings) -> None:
    found = list_in_own_process(settings.models_dir)
    get_logger().info("store_listed", store=_shown(settings.model_store), bundles=found.bundles)
    for reason in found.refused:
        get_logger().warning("stored_bundle_refused", reason=reason)


def tell_fetching(options: ModelOptions, name: str) -> None:
    """Log that the store is asked for a bundle."""
    get_logger().info("model_fetching", model=name, store=_shown(options.store))


def _shown(store: str) -> str:
    return parse_store(store).shown


def _tell_failure(error: OperatorError, wait_s: float) -> None:
    get_logger().warning("store_not_listed", reason=str(error), retry_in_s=round(wait_s, 1))
