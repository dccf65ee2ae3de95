"""From a store's address to its files."""

from pathlib import Path

from topfive.errors import SettingsError
from topfive.stores.address import StoreAddress, require_library
from topfive.stores.cloud import CloudFiles
from topfive.stores.contract import StoreFiles, StoreLimits, WritableFiles
from topfive.stores.directory import DirectoryFiles
from topfive.stores.web import WebFiles


def open_store(address: StoreAddress, limits: StoreLimits | None = None) -> StoreFiles:
    """Open a store to read from it.

    Raises SettingsError if its library is missing; StoreDenied or StoreUnreachable if the library
    finds no way to it.
    """
    if address.is_web:
        return WebFiles(address, limits or StoreLimits())
    return open_writable_store(address, limits)


def open_writable_store(address: StoreAddress, limits: StoreLimits | None = None) -> WritableFiles:
    """Open a store to push to it; raises as `open_store`, and SettingsError if it is only read."""
    if address.is_web:
        raise SettingsError(
            f"{address.shown} is a web server, which is only read. Push into the directory or the "
            "bucket that it serves."
        )
    require_library(address)
    limits = limits or StoreLimits()
    if address.library is None:
        return DirectoryFiles(Path(address.root), limits)
    return CloudFiles(address, limits)
