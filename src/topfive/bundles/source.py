"""Where weights come from, as a bundle's manifest records it: never a path of this machine."""

from pathlib import Path

from topfive.bundles.store import hash_file
from topfive.errors import WeightsRefused

_URL_SCHEMES = ("http://", "https://")
_LOCAL = "local:"


def content_version(path: Path) -> str:
    """Name a version after a weights file's content."""
    return f"sha256-{hash_file(path)[:12]}"


def is_url(weights: str) -> bool:
    """Tell a URL of weights from the path of a local file."""
    return weights.startswith(_URL_SCHEMES)


def given_source(weights: str) -> str:
    """Name the source of given weights: the URL itself, or a local file's content.

    Raises WeightsRefused if the local file is missing.
    """
    if is_url(weights):
        return weights
    path = Path(weights)
    if not path.is_file():
        raise WeightsRefused(f"There is no weights file {path}. Check TOPFIVE_WEIGHTS.")
    return _LOCAL + content_version(path)
