"""Where weights come from, as a bundle's manifest records it: never a path of this machine."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from topfive.bundles.official import OFFICIAL_NAMES
from topfive.bundles.store import hash_file
from topfive.errors import WeightsRefused
from topfive.input_recipe import InputRecipe

WEIGHTS_SUFFIXES = (".pth", ".pt", ".safetensors")

_CHECK = "Check TOPFIVE_WEIGHTS (--weights)."
_URL_SCHEMES = ("http://", "https://")
_LOCAL = "local:"
_MOST_NAME_CHARACTERS = 64


def is_url(weights: str) -> bool:
    """Tell a URL of weights from the path of a local file."""
    return weights.lower().startswith(_URL_SCHEMES)


def check_weights(weights: str) -> None:
    """Look whether weights can be what they are said to be, without reading them.

    Raises WeightsRefused if a local file is missing, or a URL cannot be one of weights.
    """
    if is_url(weights):
        if not _has_parts(weights):
            raise WeightsRefused(f"{shown(weights)} is no address. {_CHECK}")
        if Path(urlsplit(weights).path).suffix not in WEIGHTS_SUFFIXES:
            raise WeightsRefused(
                f"{shown(weights)} does not end in one of {', '.join(WEIGHTS_SUFFIXES)}."
            )
    elif "://" in weights:
        raise WeightsRefused(
            f"{shown(weights)} is not a local file, nor an address that begins with http:// or "
            f"https://. {_CHECK}"
        )
    elif not Path(weights).is_file():
        raise WeightsRefused(f"There is no weights file {shown(weights)}. {_CHECK}")


def hash_weights(path: Path) -> str:
    """Compute the sha256, in hex, of a local weights file; once as long as it does not change.

    Raises WeightsRefused if it cannot be read.
    """
    try:
        state = path.stat()
        # What the parent has computed its workers inherit, so that none reads the file again.
        return _hash_unchanged(path.resolve(), state.st_ino, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise WeightsRefused(
            f"The weights file {shown(path)} cannot be read: {error.strerror}."
        ) from error


def given_source(weights: str) -> str:
    """Name the source of given weights: the URL, or a local file's content.

    Raises WeightsRefused if the local file is missing.
    """
    check_weights(weights)
    if is_url(weights):
        # Anyone may read where a served model comes from, and a query can hold a signature.
        query = urlsplit(weights).query
        mark = f"?sha256-{hashlib.sha256(query.encode()).hexdigest()[:12]}" if query else ""
        return _without_secrets(weights) + mark
    return local_source(hash_weights(Path(weights)))


def local_source(sha256: str) -> str:
    """Name the source of what was read from this machine, by its sha256 in hex."""
    return f"{_LOCAL}sha256-{sha256[:12]}"


def content_version(weights_sha256: str, labels_sha256: str, recipe: InputRecipe) -> str:
    """Name a version after its weights, labels and recipe: a change of any gives another."""
    parts = f"{weights_sha256}\n{labels_sha256}\n{recipe.model_dump_json()}"
    return f"sha256-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def derive_name(weights: str, architecture: str) -> str:
    """Make a name for a model of one's own from its weights' file name; never an official one."""
    last = unquote(urlsplit(_without_secrets(weights)).path) if is_url(weights) else weights
    stem = Path(last.lower()).stem
    name = re.sub(r"[^a-z0-9._-]+", "-", stem).lstrip("._-")[:_MOST_NAME_CHARACTERS]
    if not name:
        return f"{architecture}-custom"
    return f"{name}-custom" if name in OFFICIAL_NAMES else name


def shown(weights: Path | str) -> str:
    """Shorten a path or URL for a message; of a URL no user, password or query is shown."""
    text = str(weights)
    text = _without_secrets(text) if "://" in text else text
    return text if len(text) <= 100 else f"…{text[-99:]}"


def _has_parts(url: str) -> bool:
    """Tell whether a URL can be taken apart into host, port and path."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _without_secrets(url: str) -> str:
    if not _has_parts(url):
        return f"{url.partition('://')[0]}://…"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@lru_cache(maxsize=8)
def _hash_unchanged(path: Path, _inode: int, _size_bytes: int, _mtime_ns: int) -> str:
    return hash_file(path)
