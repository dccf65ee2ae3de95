"""Where a model store is, read from one text; nothing is looked up, and no library is imported."""

import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from topfive.errors import SettingsError

_WEB = ("http", "https")
# A path that a cloud's library takes as it is: no wildcards, versions or dots that lead elsewhere.
_BUCKET_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}(/[A-Za-z0-9_][A-Za-z0-9._=-]*)*")
_CONTROL = re.compile("[\x00-\x20\x7f-\xa0]")
_MOST_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class CloudLibrary:
    """The fsspec library of one cloud: its module, and the extra that installs it."""

    module: str
    extra: str


CLOUD_LIBRARIES = {
    "s3": CloudLibrary("s3fs", "s3"),
    "gs": CloudLibrary("gcsfs", "gcs"),
    "az": CloudLibrary("adlfs", "azure"),
}


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store's kind (`file`, `http`, `https`, `s3`, `gs`, `az`) and its root.

    `root` is a directory, a URL or `bucket/prefix`; `shown` is without what is secret in a URL.
    """

    scheme: str
    root: str = field(repr=False)
    shown: str

    @property
    def is_web(self) -> bool:
        """Whether it is read over HTTP, and so cannot be written."""
        return self.scheme in _WEB

    @property
    def library(self) -> CloudLibrary | None:
        """The cloud library that it needs, if any."""
        return CLOUD_LIBRARIES.get(self.scheme)


def parse_store(text: str) -> StoreAddress:
    """Read where a store is; raises ValueError if it cannot be one."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return _parse_directory(text)
    if _CONTROL.search(text) or len(text) > _MOST_CHARACTERS:
        raise ValueError("an address has no spaces or control characters, and is not that long")
    scheme = scheme.lower()
    if scheme in _WEB:
        return _parse_url(scheme, rest)
    if scheme in CLOUD_LIBRARIES:
        return _parse_bucket(scheme, rest)
    raise ValueError(
        "a store is a directory, or an address that begins with https://, s3://, gs:// or az://"
    )


def require_library(address: StoreAddress) -> None:
    """Do nothing if what the store needs is installed; raises SettingsError otherwise."""
    library = address.library
    if library is not None and find_spec(library.module) is None:
        raise SettingsError(
            f"The store {address.shown} needs {library.module}, which is not installed: "
            f"pip install -r requirements-{library.extra}.txt, or the extra `{library.extra}`."
        )


def _parse_directory(text: str) -> StoreAddress:
    if not text or "\x00" in text:
        raise ValueError("the store has no name")
    folder = str(Path(text).absolute())
    return StoreAddress("file", folder, folder)


def _parse_url(scheme: str, rest: str) -> StoreAddress:
    url = f"{scheme}://{rest}"
    parts = urlsplit(url)
    # Asking for the port tells a wrong one.
    if not parts.hostname or parts.port == 0 or parts.fragment:
        raise ValueError("it is no address of a web server's folder")
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/")
    root = urlunsplit((scheme, parts.netloc, path, parts.query, ""))
    return StoreAddress(scheme, root, f"{scheme}://{host}{path}")


def _parse_bucket(scheme: str, rest: str) -> StoreAddress:
    root = rest.rstrip("/")
    if not _BUCKET_PATH.fullmatch(root):
        raise ValueError(
            f"after {scheme}:// come a bucket's name and the folders in it, of letters, digits, "
            "`.`, `_`, `=` and `-`; credentials come from the cloud's own variables"
        )
    return StoreAddress(scheme, root, f"{scheme}://{root}")
