"""Which bundles a store has, by their manifests."""

from dataclasses import dataclass

from topfive.bundles.manifest import LABELS_FILE, MANIFEST_FILE, Manifest, parse_manifest
from topfive.bundles.official import is_impostor
from topfive.errors import BundleRefused, StoreUnreachable
from topfive.stores.contract import StoredVersion, StoreFiles
from topfive.stores.failures import FileMissing
from topfive.telemetry.console import printable

_MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class StoreListing:
    """The manifests of a store's bundles, and why others are left out."""

    manifests: tuple[Manifest, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """One bundle of a store: its manifest, and the text that it was read from."""

    version: StoredVersion
    manifest: Manifest
    text: bytes


def list_bundles(files: StoreFiles, name: str | None = None) -> StoreListing:
    """Read the manifests of all bundles, or of those that are called `name`.

    What is still being pushed is left out. Raises StoreUnreachable or StoreDenied.
    """
    found, refused = [], []
    left_bytes = files.limits.max_listing_bytes
    for version in files.list_versions():
        if name is not None and version.name != name:
            continue
        try:
            stored = read_stored(files, version)
        except FileMissing:
            continue
        except BundleRefused as error:
            refused.append(str(error))
            continue
        found.append(stored.manifest)
        left_bytes -= len(stored.text)
        if left_bytes < 0:
            raise StoreUnreachable(
                f"The manifests in {files.shown} have over {files.limits.max_listing_bytes:,} "
                "bytes. Remove old versions, or use a store for each group of models."
            )
    return StoreListing(tuple(found), tuple(refused))


def read_stored(files: StoreFiles, version: StoredVersion) -> StoredBundle:
    """Read the manifest of one bundle in a store.

    Raises BundleRefused if it cannot be one, or is of another bundle than its folder says;
    FileMissing if there is none, and StoreUnreachable or StoreDenied.
    """
    where = f"{files.shown}/{version.folder}/{MANIFEST_FILE}"
    most_bytes = files.limits.max_manifest_bytes
    text = files.read_small(f"{version.folder}/{MANIFEST_FILE}", most_bytes)
    if len(text) > most_bytes:
        raise BundleRefused(f"{where} has over {most_bytes:,} bytes.")
    manifest = _parse(text, where)
    if (manifest.name, manifest.version) != (version.name, version.version):
        raise BundleRefused(f"{where} is of {manifest.reference}, not of what its folders say.")
    check_manifest(manifest, where, files.limits.max_files)
    return StoredBundle(version, manifest, text)


def _parse(text: bytes, where: str) -> Manifest:
    try:
        return parse_manifest(text, where)
    except BundleRefused as error:
        # It quotes what others wrote, which may be long, or meant for a terminal.
        told = printable(str(error))
        raise BundleRefused(told[:_MOST_CHARACTERS]) from error


def check_manifest(manifest: Manifest, where: str, max_files: int) -> None:
    """Do nothing if a store may hold such a bundle; raises BundleRefused otherwise."""
    if len(manifest.files) > max_files:
        raise BundleRefused(f"{where} lists {len(manifest.files)} files; the most is {max_files}.")
    words = (manifest.architecture, manifest.source, manifest.created)
    if any(printable(word) != word or len(word) > _MOST_CHARACTERS for word in words):
        raise BundleRefused(f"{where} holds text that is long, or no plain text.")
    if LABELS_FILE not in manifest.files or MANIFEST_FILE in manifest.files:
        raise BundleRefused(f"{where} does not list the files of a bundle.")
    if is_impostor(manifest.name, manifest.source):
        raise BundleRefused(
            f"{where} calls itself {manifest.name}, but is not made of the official weights. "
            "Make it again with a name of its own: topfive pull --name NAME."
        )
