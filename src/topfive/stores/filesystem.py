"""A cloud's file system of fsspec, opened with this project's timeouts, and its failures' words."""

import logging
from importlib import import_module
from typing import Any, cast

from topfive.stores.address import StoreAddress
from topfive.stores.contract import StoreLimits
from topfive.stores.failures import FailureWords

_IF_REFUSED = (
    "Check the credentials that the cloud's own variables, files or the machine's role give, and "
    "what they allow"
)
_LOGGERS = ("aiobotocore", "adlfs", "asyncio", "azure", "botocore", "fsspec", "gcsfs", "google",
            "msal", "s3fs", "urllib3")  # fmt: skip
# What the libraries raise beside OSError.
_LIBRARY_ERRORS = {
    "s3": ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError",
           "aiohttp:ClientError"),
    "gs": ("gcsfs.retry:HttpError", "google.auth.exceptions:GoogleAuthError",
           "aiohttp:ClientError"),
    "az": ("azure.core.exceptions:AzureError", "aiohttp:ClientError"),
}  # fmt: skip


def failure_words(address: StoreAddress) -> FailureWords:
    """Tell how failures of a bucket are told; its cloud's library must be installed."""
    kinds = tuple(map(_find, _LIBRARY_ERRORS[address.scheme]))
    return FailureWords(address.shown, _IF_REFUSED, kinds)


def open_filesystem(scheme: str, limits: StoreLimits) -> Any:
    """Make the cloud's file system, which remembers no listing and shares nothing with others."""
    for name in _LOGGERS:
        # They write what they send, and errors that are told here already.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import fsspec  # noqa: PLC0415 - comes with a cloud's library

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        options["config_kwargs"] = {
            "connect_timeout": limits.connect_s,
            "read_timeout": limits.stall_s,
            "retries": {"total_max_attempts": 1},
        }
    if scheme == "az":
        options |= {"connection_timeout": limits.connect_s, "read_timeout": limits.stall_s}
    files = fsspec.filesystem(scheme, **options)
    # Where a request ends early; the whole file is tried again by us.
    files.retries = 2
    return files


def run(files: Any, method: Any, *arguments: Any, timeout_s: float, **named: Any) -> Any:
    """Call a method of a file system, which is a coroutine, for so long at most."""
    from fsspec.asyn import sync  # noqa: PLC0415 - comes with a cloud's library

    return sync(files.loop, method, *arguments, timeout=timeout_s, **named)


def _find(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    return cast(type[Exception], getattr(import_module(module), attribute))
